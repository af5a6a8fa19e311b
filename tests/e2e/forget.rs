//! A bucket that is gone or renamed is forgotten: what it owned belongs to nobody.

use crate::answers::message;
use crate::environment::{assert_held, environment, variables};
use crate::objects::{failing, many, texts};
use redis_sync_local::{Effect, Fault, Operation, Redis, RedisCluster, S3, event};
use redis_sync_tests::held::held_by_cluster;
use redis_sync_tests::host::Host;
use redis_sync_tests::{compiled, guest};
use serde_json::{Value, json};
use std::time::Duration;

/// The host of another bucket, which has put and delivered a plugin and these objects.
async fn old_bucket(
    redis: &Redis,
    more: &[(&str, &str)],
    objects: &[(&str, String)],
) -> (S3, Host) {
    let s3 = S3::start("old").await.unwrap();
    guest::upload(&s3);
    let mut variables = variables(&s3, redis);
    variables.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let host = Host::start(&s3, &variables);
    host.deliver_one("plugins/flags.wasm").await.unwrap();
    for (key, body) in objects {
        s3.put(key, body);
        host.deliver_one(key).await.unwrap();
    }
    (s3, host)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_bucket_that_is_forgotten_are_free() {
    let environment = environment(&[]).await;
    let objects = [
        ("flags/a", texts(&[("k", "old"), ("l", "old")])),
        ("flags/b", texts(&[])),
    ];
    old_bucket(&environment.redis, &[], &objects).await;
    environment
        .upload("flags/n", texts(&[("m", "new")]))
        .await
        .unwrap();
    let claims = texts(&[("k", "new")]);
    let refused = message(environment.upload("flags/c", &claims).await);
    assert!(
        refused.contains("belongs to the object `old/flags/a` of another bucket"),
        "{refused}"
    );

    let forget =
        |bucket: &str, dry_run: bool| json!({"forget": {"bucket": bucket, "dry_run": dry_run}});
    let before = environment.redis.command(&["DBSIZE"]).await.unwrap();
    let had = |dry_run: bool| json!({"bucket": "old", "dry_run": dry_run, "keys": 2, "objects": 2});
    let answer = environment
        .function
        .invoke(forget("old", true))
        .await
        .unwrap();
    assert_eq!(answer, had(true));
    assert_eq!(
        environment.redis.command(&["DBSIZE"]).await.unwrap(),
        before
    );
    let answer = environment
        .function
        .invoke(forget("old", false))
        .await
        .unwrap();
    assert_eq!(answer, had(false));
    assert_eq!(
        environment
            .redis
            .command(&["KEYS", "redis-sync:*old*"])
            .await
            .unwrap(),
        ""
    );
    assert_held(&environment, json!({"k": "old", "l": "old", "m": "new"})).await;
    environment.upload("flags/c", &claims).await.unwrap();
    assert_held(&environment, json!({"k": "new", "l": "old", "m": "new"})).await;
    let nothing = environment
        .function
        .invoke(forget("old", false))
        .await
        .unwrap();
    assert_eq!(
        (&nothing["keys"], &nothing["objects"]),
        (&json!(0), &json!(0))
    );

    for own in ["config", "", "old/flags"] {
        let refused = message(environment.function.invoke(forget(own, false)).await);
        assert!(
            refused.contains("is not another bucket"),
            "{own}: {refused}"
        );
    }
    let status = environment
        .function
        .invoke(json!({"status": {}}))
        .await
        .unwrap();
    assert_eq!(status["objects"], 2, "{status}");
}

/// Who has uploaded its plugin, and that objects have not followed it yet: one is late, and another one has failed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_noted_of_a_bucket_goes_with_it_and_not_before() {
    let redis = Redis::start().await.unwrap();
    let objects = [("flags/a", texts(&[("k", "old")])), ("flags/b", texts(&[]))];
    let (s3, host) = old_bucket(&redis, &[], &objects).await;
    s3.put("flags/b", failing());
    s3.inject(Fault {
        operation: Operation::GetObject,
        key: Some("flags/a".to_owned()),
        times: None,
        effect: Effect::Delay(Duration::from_secs(120)),
    });
    let etag = s3.put("plugins/flags.wasm", compiled::variant("A"));
    let mut event = event::created("old", "plugins/flags.wasm");
    event["Records"][0]["s3"]["object"]["eTag"] = json!(etag);
    event["Records"][0]["userIdentity"]["principalId"] = json!("AWS:BOB");
    let late = host.invoke(&event, Duration::from_secs(5)).await;
    assert!(late.unwrap_err().contains("2 are left"));
    let noted = async || {
        let notes = [
            "EXISTS",
            "redis-sync:progress:old",
            "redis-sync:uploads:old",
        ];
        redis.command(&notes).await.unwrap()
    };
    for (dry_run, left) in [(true, "2"), (false, "0")] {
        assert_eq!(host.forget("old", dry_run).await.unwrap(), (1, 2));
        assert_eq!(noted().await, left);
    }
}

/// What another deployment of the same bucket owns may be forgotten; without a prefix, the bucket's name means all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_with_a_prefix_does_not_forget_what_it_owns() {
    let environment = environment(&[("REDIS_KEY_PREFIX", "green")]).await;
    environment
        .upload("flags/a", texts(&[("k", "1")]))
        .await
        .unwrap();
    let forget = async |bucket: &str| {
        let request = json!({"forget": {"bucket": bucket}});
        environment.function.invoke(request).await
    };
    for own in ["config", "config@green"] {
        let refused = message(forget(own).await);
        assert!(
            refused.contains("is not another bucket"),
            "{own}: {refused}"
        );
    }
    for other in ["config@", "config@blue"] {
        assert_eq!(forget(other).await.unwrap()["objects"], 0);
    }
    let status = json!({"status": {}});
    let status = environment.function.invoke(status).await.unwrap();
    assert_eq!(status["objects"], 1, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_on_a_cluster_is_forgotten_in_every_slot() {
    let cluster = RedisCluster::start().await.unwrap();
    let clustered = [("REDIS_CLUSTER", "true")];
    let node = &cluster.servers()[0];
    let (_old, _) = old_bucket(node, &clustered, &[("flags/a", many("k", 300, "old"))]).await;
    let s3 = S3::start("config").await.unwrap();
    guest::upload(&s3);
    let mut variables = variables(&s3, node);
    variables.push(("REDIS_CLUSTER".into(), "true".into()));
    let host = Host::start(&s3, &variables);
    s3.put("flags/b", many("k", 300, "new"));
    assert!(host.deliver_one("flags/b").await.is_err());
    assert_eq!(host.forget("old", true).await.unwrap(), (300, 1));
    assert_eq!(host.forget("old", false).await.unwrap(), (300, 1));
    for node in cluster.servers() {
        assert_eq!(
            node.command(&["KEYS", "redis-sync:*old*"]).await.unwrap(),
            ""
        );
    }
    host.deliver_one("flags/b").await.unwrap();
    let expected = (0..300).map(|number| (format!("k:{number}"), json!("new")));
    assert_eq!(
        held_by_cluster(&cluster).await,
        Value::Object(expected.collect())
    );
}
