//! What happens when Redis, the way to it or the host fails: reported, never half done, healed by
//! the next delivery.

use crate::answers::outcome;
use crate::environment::{environment, upload, variables};
use crate::objects::{many, texts};
use redis_sync_local::{BUCKET, Function, Operation, Redis, RedisOptions, S3, event};
use redis_sync_tests::connection::connect;
use redis_sync_tests::held::held;
use redis_sync_tests::proxy::Proxy;
use redis_sync_tests::{guest, program};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_redis_is_reported_and_one_restarted_empty_is_filled() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    environment.redis.kill().await;
    let error = environment
        .upload("flags/a", texts(&[("k", "2")]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not available"), "{error}");
    environment.redis.restart().await.unwrap();
    let delivered = environment
        .function
        .invoke(event::created(BUCKET, "flags/a"))
        .await;
    assert_eq!(outcome(&delivered.unwrap()), "synced");
    assert_eq!(held(&environment.redis).await, json!({"k": "2"}));
}

/// Also between the ticket and the commit, which then has a ticket that nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_restarted_empty_in_the_middle_is_filled() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a", texts(&[("k", "1")]));
    let parked = environment.s3.park(Operation::GetObject, "flags/a");
    let delivered = environment
        .function
        .invoke(event::created(BUCKET, "flags/a"));
    let (delivered, ()) = tokio::join!(delivered, async {
        parked.reached().await;
        environment.redis.restart().await.unwrap();
        parked.release();
    });
    assert_eq!(outcome(&delivered.unwrap()), "synced");
    assert_eq!(held(&environment.redis).await, json!({"k": "1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_still_is_waited_for() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    environment.redis.pause().unwrap();
    let (report, ()) = tokio::join!(environment.upload("flags/a", texts(&[("k", "2")])), async {
        let line = environment.function.wait_for_log("Redis did not answer");
        line.await.unwrap();
        environment.redis.resume().unwrap();
    });
    assert_eq!(outcome(&report.unwrap()), "synced");
    assert_eq!(held(&environment.redis).await, json!({"k": "2"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_script_cache_is_filled_again() {
    let environment = environment(&[]).await;
    for value in ["1", "2"] {
        upload(&environment, "flags/a", &[("k", value)]).await;
        environment
            .redis
            .command(&["SCRIPT", "FLUSH"])
            .await
            .unwrap();
        assert_eq!(held(&environment.redis).await, json!({"k": value}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_replica_is_not_written_to() {
    let (s3, primary) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    let options = RedisOptions {
        config: vec![format!("replicaof 127.0.0.1 {}", primary.port())],
        ..RedisOptions::default()
    };
    let replica = Redis::start_with(options).await.unwrap();
    let function = Function::start(program::bootstrap(), variables(&s3, &replica))
        .await
        .unwrap();
    s3.put("other", "1");
    let error = function
        .invoke(event::created(BUCKET, "other"))
        .await
        .unwrap_err();
    let message = error.to_string().to_lowercase();
    assert!(
        message.contains("read") && message.contains("replica"),
        "{error}"
    );
    assert_eq!(held(&primary).await, json!({}));
    // It becomes the primary: the same function goes on.
    replica.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    function
        .invoke(event::created(BUCKET, "other"))
        .await
        .unwrap();
    assert_eq!(held(&replica).await, json!({"other": "1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_keeps_the_old_entries_and_takes_deletions() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    upload(&environment, "flags/b", &[("l", "1"), ("m", "1")]).await;
    environment
        .redis
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .await
        .unwrap();
    // One key less and one changed: neither happens.
    let error = environment
        .upload("flags/b", texts(&[("l", "2")]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("OOM"), "{error}");
    assert_eq!(
        held(&environment.redis).await,
        json!({"k": "1", "l": "1", "m": "1"})
    );
    environment.remove("flags/a").await.unwrap();
    assert_eq!(held(&environment.redis).await, json!({"l": "1", "m": "1"}));
    environment
        .redis
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .await
        .unwrap();
    let delivered = environment
        .function
        .invoke(event::created(BUCKET, "flags/b"))
        .await;
    assert_eq!(outcome(&delivered.unwrap()), "synced");
    assert_eq!(held(&environment.redis).await, json!({"l": "2"}));
}

/// S3, Redis, a proxy before Redis, and a function behind it.
async fn behind_a_proxy(more: &[(&str, &str)]) -> (S3, Redis, Proxy, Function) {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    let proxy = Proxy::start(redis.port()).await.unwrap();
    guest::upload(&s3);
    let mut variables = variables(&s3, &redis);
    variables.push(("REDIS_PORT".into(), proxy.port().to_string()));
    variables.extend(
        more.iter()
            .map(|(name, value)| ((*name).into(), (*value).into())),
    );
    let function = Function::start(program::bootstrap(), variables)
        .await
        .unwrap();
    (s3, redis, proxy, function)
}

/// A frozen Lambda's connection that every router has forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_is_replaced_within_the_invocation() {
    let (s3, redis, proxy, function) = behind_a_proxy(&[]).await;
    for value in ["1", "2"] {
        s3.put("flags/a", texts(&[("k", value)]));
        let delivered = function.invoke(event::created(BUCKET, "flags/a")).await;
        assert_eq!(outcome(&delivered.unwrap()), "synced");
        assert_eq!(held(&redis).await, json!({"k": value}));
        proxy.forget_connections();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_repeated_without_harm() {
    let (s3, redis, proxy, function) = behind_a_proxy(&[("CHANGES_CHANNEL", "changes")]).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let (mut sink, mut messages) = client.get_async_pubsub().await.unwrap().split();
    sink.subscribe("changes").await.unwrap();
    s3.put("flags/a", texts(&[("k", "1")]));
    let parked = s3.park(Operation::GetObject, "flags/a");
    let (delivered, ()) = tokio::join!(function.invoke(event::created(BUCKET, "flags/a")), async {
        parked.reached().await;
        // The script is loaded: the next answer is the commit's.
        proxy.lose_next_answer();
        parked.release();
    });
    assert_eq!(outcome(&delivered.unwrap()), "synced");
    assert!(!proxy.is_to_lose_an_answer());
    assert_eq!(held(&redis).await, json!({"k": "1"}));
    s3.put("flags/b", texts(&[("l", "1")]));
    function
        .invoke(event::created(BUCKET, "flags/b"))
        .await
        .unwrap();
    // Published once: the repetition has written nothing.
    for expected in ["k", "l"] {
        let message = futures::StreamExt::next(&mut messages).await.unwrap();
        assert_eq!(message.get_payload::<String>().unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_while_writing_leaves_no_partial_object() {
    kill_while_writing(6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make soak"]
async fn a_function_killed_200_times_while_writing_leaves_no_partial_object() {
    kill_while_writing(200).await;
}

async fn kill_while_writing(times: u64) {
    const KEYS: usize = 400;
    let mut environment = environment(&[]).await;
    let mut versions_seen = BTreeSet::new();
    let mut commit_takes = Duration::from_millis(40);
    for round in 0..times {
        environment
            .s3
            .put("flags/a", many("k", KEYS, &format!("version {round}")));
        environment.s3.reset_counts();
        {
            let parked = environment.s3.park(Operation::GetObject, "flags/a");
            let delivery = environment
                .function
                .invoke(event::created(BUCKET, "flags/a"));
            let kill = async {
                parked.reached().await;
                parked.release();
                // Spread over the time from the read to a little after the commit.
                let after = commit_takes.mul_f64(1.3) * u32::try_from(round * 7 % 13).unwrap() / 12;
                tokio::time::sleep(after).await;
                environment.function.kill().await;
            };
            let (_, ()) = tokio::join!(delivery, kill);
        }
        versions_seen.insert(one_version(&environment.redis, KEYS).await);
        environment.restart_function().await.unwrap();
        let started = Instant::now();
        let delivered = environment
            .function
            .invoke(event::created(BUCKET, "flags/a"))
            .await;
        assert!(["synced", "unchanged"].contains(&outcome(&delivered.unwrap())));
        commit_takes = commit_takes.max(started.elapsed().min(Duration::from_millis(400)) / 2);
        let healed = one_version(&environment.redis, KEYS).await;
        assert_eq!(healed, Some(format!("version {round}")));
    }
    assert!(versions_seen.len() > 1, "{versions_seen:?}");
}

/// The version that all keys are of, read in one command: what a killed function had sent already
/// may still be carried out.
async fn one_version(redis: &Redis, keys: usize) -> Option<String> {
    let names: Vec<String> = (0..keys).map(|number| format!("k:{number}")).collect();
    let mut link = connect(redis).await;
    let held: Vec<Option<String>> = redis::cmd("MGET")
        .arg(&names)
        .query_async(&mut link)
        .await
        .unwrap();
    let versions: BTreeSet<&Option<String>> = held.iter().collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
    held.into_iter().next().flatten()
}
