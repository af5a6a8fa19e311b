//! Two deployments of one bucket with different prefixes, before one Redis: blue and green, say.

use crate::environment::variables;
use crate::objects::texts;
use redis_sync_local::{BUCKET, Redis, S3};
use redis_sync_tests::guest;
use redis_sync_tests::held::held;
use redis_sync_tests::host::Host;
use serde_json::json;

/// The host of a deployment with a prefix.
fn deployment(s3: &S3, redis: &Redis, prefix: &str) -> Host {
    let mut variables = variables(s3, redis);
    variables.push(("REDIS_KEY_PREFIX".to_owned(), prefix.to_owned()));
    Host::start(s3, &variables)
}

async fn start() -> (S3, Redis) {
    let s3 = S3::start(BUCKET).await.unwrap();
    guest::upload(&s3);
    (s3, Redis::start().await.unwrap())
}

/// Fails where the prefix is not part of the names of records: each deployment takes the keys of the other for
/// those that the object had before.
#[tokio::test(flavor = "multi_thread")]
async fn deployments_with_different_prefixes_leave_each_others_keys_alone() {
    let (s3, redis) = start().await;
    let [blue, green, plain] =
        ["blue:", "green:", ""].map(|prefix| deployment(&s3, &redis, prefix));
    s3.put("flags/x", texts(&[("k", "1")]));
    for host in [&blue, &green, &plain] {
        host.deliver_one("flags/x").await.unwrap();
    }
    assert_eq!(
        held(&redis).await,
        json!({"blue:k": "1", "green:k": "1", "k": "1"})
    );
    s3.put("flags/x", texts(&[("l", "2")]));
    blue.deliver_one("flags/x").await.unwrap();
    for record in ["config/flags/x", "config@green:/flags/x"] {
        let record = format!("redis-sync:object:{record}");
        assert_eq!(
            redis.command(&["EXISTS", &record]).await.unwrap(),
            "1",
            "{record}"
        );
    }
    assert_eq!(
        held(&redis).await,
        json!({"blue:l": "2", "green:k": "1", "k": "1"})
    );
    s3.delete("flags/x");
    green.full_sync().await.unwrap();
    assert_eq!(held(&redis).await, json!({"blue:l": "2", "k": "1"}));
    plain.full_sync().await.unwrap();
    assert_eq!(held(&redis).await, json!({"blue:l": "2"}));
    blue.full_sync().await.unwrap();
    assert_eq!(held(&redis).await, json!({}));
    assert_eq!(
        redis.command(&["HLEN", "redis-sync:owners"]).await.unwrap(),
        "0"
    );
}

/// `a` + `b:x` is `ab` + `:x`: owners are one table for all prefixes.
#[tokio::test(flavor = "multi_thread")]
async fn two_prefixes_that_lead_to_one_key_do_not_share_it() {
    let (s3, redis) = start().await;
    let [a, ab] = ["a", "ab"].map(|prefix| deployment(&s3, &redis, prefix));
    s3.put("flags/first", texts(&[("b:x", "first")]));
    a.deliver_one("flags/first").await.unwrap();
    s3.put("flags/second", texts(&[(":x", "second"), (":y", "second")]));
    let why = ab.deliver_one("flags/second").await.unwrap_err();
    let expected = "`ab:x` belongs to the object `config@a/flags/first` of a deployment with another REDIS_KEY_PREFIX";
    assert!(why.contains(expected), "{why}");
    assert_eq!(held(&redis).await, json!({"ab:x": "first"}));

    // What is left of a deployment that is gone.
    assert!(ab.forget("config@a", true).await.unwrap() == (1, 1));
    assert_eq!(ab.forget("config@a", false).await.unwrap(), (1, 1));
    ab.deliver_one("flags/second").await.unwrap();
    assert_eq!(
        held(&redis).await,
        json!({"ab:x": "second", "ab:y": "second"})
    );
    assert_eq!(
        redis
            .command(&["KEYS", "redis-sync:*config@a/*"])
            .await
            .unwrap(),
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_forgotten_with_all_prefixes_or_with_one() {
    let redis = Redis::start().await.unwrap();
    let old = S3::start("old").await.unwrap();
    guest::upload(&old);
    for prefix in ["", "p:", "q/"] {
        let host = deployment(&old, &redis, prefix);
        for (object, entries) in [
            ("flags/x", texts(&[("k", "1")])),
            ("flags/none", texts(&[])),
        ] {
            old.put(object, entries);
            host.deliver_one(object).await.unwrap();
        }
    }
    let s3 = S3::start(BUCKET).await.unwrap();
    guest::upload(&s3);
    let host = deployment(&s3, &redis, "p:");
    assert_eq!(host.forget("old@q%2F", true).await.unwrap(), (1, 2));
    assert_eq!(host.forget("old@", true).await.unwrap(), (1, 2));
    assert_eq!(host.forget("old", true).await.unwrap(), (3, 6));
    assert_eq!(host.forget("old", false).await.unwrap(), (3, 6));
    assert_eq!(
        redis.command(&["KEYS", "redis-sync:*old*"]).await.unwrap(),
        ""
    );
    s3.put("flags/x", texts(&[("k", "2")]));
    host.deliver_one("flags/x").await.unwrap();
    assert_eq!(
        held(&redis).await,
        json!({"k": "1", "p:k": "2", "q/k": "1"})
    );

    // With the prefix of whoever forgets, also objects that own nothing.
    deployment(&old, &redis, "p:")
        .deliver_one("flags/none")
        .await
        .unwrap();
    assert_eq!(host.forget("old", true).await.unwrap(), (0, 1));
    assert_eq!(host.forget("old", false).await.unwrap(), (0, 1));
}
