//! A function that was frozen for so long that every router has forgotten its connections.

use crate::environment::variables;
use crate::objects::texts;
use redis_sync_local::{BUCKET, Function, Redis, S3, event};
use redis_sync_tests::held::held;
use redis_sync_tests::proxy::Proxy;
use redis_sync_tests::{guest, program};
use serde_json::json;
use std::time::{Duration, Instant};

/// Longer than any connection is used again without a look. Nothing happens meanwhile that could be
/// waited for.
const FROZEN: Duration = Duration::from_secs(11);

/// Less than any request waits for an answer before it counts as lost.
const AT_ONCE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_while_frozen_costs_a_reconnect_and_no_timeout() {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    guest::upload(&s3);
    let s3_port = s3.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let (to_s3, to_redis) = (
        Proxy::start(s3_port).await.unwrap(),
        Proxy::start(redis.port()).await.unwrap(),
    );
    let mut variables = variables(&s3, &redis);
    let endpoint = format!("http://127.0.0.1:{}", to_s3.port());
    variables.push(("AWS_ENDPOINT_URL".into(), endpoint));
    variables.push(("REDIS_PORT".into(), to_redis.port().to_string()));
    let function = Function::start(program::bootstrap(), variables)
        .await
        .unwrap();
    // As many connections as objects at a time.
    let keys: Vec<String> = (0..8).map(|number| format!("flags/{number}")).collect();
    for value in ["1", "2"] {
        for key in &keys {
            s3.put(key, texts(&[(key, value)]));
        }
        let events = keys.iter().map(|key| event::created(BUCKET, key));
        let started = Instant::now();
        let report = function.invoke(event::batch(events)).await.unwrap();
        assert_eq!(report["message"], "8 objects done", "{report}");
        if value == "2" {
            let taken = started.elapsed();
            assert!(taken < AT_ONCE, "{taken:?}");
            break;
        }
        function.pause().unwrap();
        to_s3.forget_connections();
        to_redis.forget_connections();
        tokio::time::sleep(FROZEN).await;
        function.resume().unwrap();
    }
    let expected: serde_json::Map<_, _> = keys.into_iter().map(|key| (key, json!("2"))).collect();
    assert_eq!(held(&redis).await, json!(expected));
}
