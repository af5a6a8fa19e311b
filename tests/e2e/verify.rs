//! Verifying: what somebody else has changed in Redis is found by what the keys hold, and mended.

use crate::answers::outcome;
use crate::environment::{assert_held, environment, sync, variables, with_turnstile};
use crate::objects::{one, texts, yields};
use redis_sync_local::{BUCKET, Environment, Function, RedisCluster, S3, event};
use redis_sync_tests::guest;
use redis_sync_tests::held::{held, held_by_cluster};
use redis_sync_tests::program::bootstrap;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// What a verifying sync says, and what it counts as drifted.
async fn verified(environment: &Environment, dry_run: bool) -> (String, u64) {
    let report = sync(environment, json!({"verify": true, "dry_run": dry_run})).await;
    (
        report["message"].as_str().unwrap().to_owned(),
        report["counts"]["drifted"].as_u64().unwrap(),
    )
}

async fn command(environment: &Environment, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    environment.redis.command(&words).await.unwrap();
}

fn every_kind() -> Value {
    let many: Map<String, Value> = (0..5000).map(|n| (format!("f{n}"), json!("v"))).collect();
    let items: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    json!({
        "text": {"bytes": "v"}, "empty": {"bytes": ""}, "long": {"bytes": "0123456789".repeat(300_000)},
        "hash": {"hash": {"f": "1", "g": "2"}}, "many": {"hash": many},
        "list": {"list": ["a", "b", "a"]}, "items": {"list": items},
        "set": {"set": ["b", "a", "b"]}, "numbers": {"set": ["1", "2", "3"]}, "members": {"set": items},
        "scores": {"sorted_set": [["a", 0.1], ["b", -0.0], ["c", 1e300], ["d", -7.0]]},
        "expiring": {"expiring": ["v", 3600]},
    })
}

/// Each kind of value, small and of many pieces: what was written is what is found, and whatever
/// somebody changes of it is seen by a verifying sync alone, and mended.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_somebody_changes_is_found_and_written_again() {
    let environment = environment(&[]).await;
    environment
        .upload("flags/a", yields(&every_kind()))
        .await
        .unwrap();
    environment.upload("flags/b", one("other")).await.unwrap();
    let untouched = ("2 objects: 2 unchanged".to_owned(), 0);
    let before = held(&environment.redis).await;
    assert_eq!(verified(&environment, false).await, untouched);
    for change in [
        "SET text w",
        "APPEND empty x",
        "SETRANGE long 2999999 x",
        "HSET hash g 1",
        "HDEL many f4999",
        "HSET many f77 w",
        "LSET list 1 c",
        "LSET items 4321 x",
        "SADD set c",
        "SREM members 4999",
        "ZADD scores 0.2 a",
        "ZADD scores -1 b",
        "PEXPIRE text 100000",
        "PERSIST expiring",
    ] {
        command(&environment, change).await;
        let found = (
            "2 objects: 1 synced, 1 unchanged; 1 had drifted".to_owned(),
            1,
        );
        let plain = sync(&environment, json!({})).await;
        assert_eq!(plain["message"], "2 objects: 2 unchanged", "{change}");
        assert_eq!(verified(&environment, true).await, found, "{change}");
        assert_eq!(verified(&environment, false).await, found, "{change}");
        assert_eq!(verified(&environment, false).await, untouched, "{change}");
    }
    assert_eq!(held(&environment.redis).await, before);
    // Another type; and a key that is nobody's.
    command(&environment, "DEL set").await;
    command(&environment, "RPUSH set a b").await;
    command(&environment, "SET stranger v").await;
    assert_eq!(verified(&environment, false).await.1, 1);
    command(&environment, "DEL stranger").await;
    assert_eq!(held(&environment.redis).await, before);
}

/// A deleted key is drift also where only the presence of keys is looked at; one that expired is not.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_expire_do_not_drift() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("a")).await.unwrap();
    let expiring = yields(&json!({"e": {"expiring": ["v", 3600]}}));
    environment.upload("flags/e", expiring).await.unwrap();
    command(&environment, "DEL a").await;
    command(&environment, "DEL e").await;
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "2 objects: 2 synced; 1 had drifted");
    assert_eq!(report["counts"]["drifted"], 1);
    assert_held(&environment, json!({"a": "v", "e": "v"})).await;
}

/// Its entries expire when they would if it were new.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_again_with_the_same_content_expires_anew() {
    let environment = environment(&[]).await;
    let object = yields(&json!({"k": {"expiring": ["v", 3600]}, "l": {"bytes": "v"}}));
    environment.upload("flags/a", &object).await.unwrap();
    let left = async || {
        let left = environment.redis.command(&["TTL", "k"]).await.unwrap();
        left.parse::<u32>().unwrap()
    };
    command(&environment, "EXPIRE k 100").await;
    // Delivered twice is not put twice.
    let again = environment
        .function
        .invoke(event::created(BUCKET, "flags/a"));
    assert_eq!(outcome(&again.await.unwrap()), "unchanged");
    assert!(left().await <= 100);
    let later = SystemTime::now() + Duration::from_secs(60);
    environment.s3.set_clock(Some(later));
    environment.s3.put("flags/a", &object);
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "1 object: 1 synced");
    assert!(left().await > 3500, "{}", left().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_verified_slot_by_slot() {
    let s3 = S3::start(BUCKET).await.unwrap();
    let cluster = RedisCluster::start().await.unwrap();
    guest::upload(&s3);
    let mut variables = variables(&s3, &cluster.servers()[0]);
    variables.push(("REDIS_CLUSTER".into(), "true".into()));
    let function = Function::start(bootstrap(), variables).await.unwrap();
    s3.put("flags/a", yields(&every_kind()));
    s3.put("flags/b", texts(&[("x", "1"), ("y", "2")]));
    let verify = async || {
        let request = json!({"sync": {"verify": true}});
        function.invoke(request).await.unwrap()["message"].clone()
    };
    assert_eq!(verify().await, "2 objects: 2 synced");
    assert_eq!(verify().await, "2 objects: 2 unchanged");
    let before = held_by_cluster(&cluster).await;
    for node in cluster.primaries() {
        // Carried out by the one that has the key.
        let _ = node.command(&["HSET", "many", "f77", "w"]).await;
    }
    assert_ne!(held_by_cluster(&cluster).await, before);
    let found = "2 objects: 1 synced, 1 unchanged; 1 had drifted";
    assert_eq!(verify().await, found);
    assert_eq!(held_by_cluster(&cluster).await, before);
}

/// An object that is due for another reason may yield what is recorded, and is written all the same where
/// somebody has changed that.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_of_an_object_that_was_put_again_is_found() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("a")).await.unwrap();
    let before = held(&environment.redis).await;
    command(&environment, "SET a w").await;
    let later = SystemTime::now() + Duration::from_secs(10);
    environment.s3.set_clock(Some(later));
    environment.s3.put("flags/a", one("a"));
    let found = ("1 object: 1 synced; 1 had drifted".to_owned(), 1);
    assert_eq!(verified(&environment, true).await, found);
    assert_eq!(verified(&environment, false).await, found);
    assert_eq!(held(&environment.redis).await, before);
}

/// That another object claims its key, and fails, keeps nothing from being found.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_of_an_object_whose_key_is_claimed_is_found() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("a")).await.unwrap();
    environment.upload("flags/b", one("a")).await.unwrap_err();
    let before = held(&environment.redis).await;
    command(&environment, "SET a w").await;
    for dry_run in [true, false] {
        let (said, drifted) = verified(&environment, dry_run).await;
        assert_eq!(drifted, 1, "{said}");
    }
    assert_eq!(held(&environment.redis).await, before);
}

/// What grows while it is gone through, and shrinks again, is gone through again: at whichever step that happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_changes_while_it_is_compared_and_is_the_same_again_has_not_drifted() {
    let (s3, redis, turnstile, mut variables) = with_turnstile().await;
    variables.push(("REDIS_PORT".into(), turnstile.port().to_string()));
    let function = Function::start(bootstrap(), variables).await.unwrap();
    let fields: Map<String, Value> = (0..5000).map(|n| (format!("f{n}"), json!("v"))).collect();
    s3.put("flags/a", yields(&json!({"many": {"hash": fields}})));
    let verify = async || {
        function
            .invoke(json!({"sync": {"verify": true}}))
            .await
            .unwrap()
    };
    assert_eq!(verify().await["message"], "1 object: 1 synced");
    let more: Vec<String> = (0..5000).map(|n| format!("g{n}")).collect();
    let change = async |command: &str, words: Vec<&str>| {
        let words = [&[command, "many"], &*words].concat();
        redis.command(&words).await.unwrap()
    };
    let mut held_up = 0;
    for calls in 0..20 {
        turnstile.let_through(calls);
        let meddle = async {
            turnstile.holds_one().await;
            let pairs = more.iter().flat_map(|field| [field.as_str(), "w"]);
            change("HSET", pairs.collect()).await;
            turnstile.let_through(1);
            turnstile.holds_one().await;
            change("HDEL", more.iter().map(String::as_str).collect()).await;
            held_up += 1;
            turnstile.open();
            std::future::pending::<()>().await;
        };
        let report = tokio::select! {
            report = verify() => report,
            () = meddle => unreachable!(),
        };
        assert_eq!(
            report["message"], "1 object: 1 unchanged",
            "after {calls} calls"
        );
    }
    assert!(held_up > 3, "{held_up}");
}

/// Whatever somebody has put there: Redis serves others meanwhile, and the sync comes to its end.
///
/// Kills: pieces that are counted by elements, however large these are, and values that are gone through although no
/// plugin can have yielded them.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_value_of_any_size_holds_up_nobody() {
    let environment = environment(&[]).await;
    for key in ["large", "long"] {
        environment
            .upload(&format!("flags/{key}"), one(key))
            .await
            .unwrap();
    }
    let fill = |script: &'static str, key: &'static str| {
        let redis = &environment.redis;
        async move {
            redis.command(&["DEL", key]).await.unwrap();
            redis.command(&["EVAL", script, "1", key]).await.unwrap();
        }
    };
    fill(
        "for i = 1, 100 do redis.call('HSET', KEYS[1], i, string.rep('x', 1048576)) end",
        "large",
    )
    .await;
    fill(
        "for i = 1, 1000001 do redis.call('SADD', KEYS[1], i) end",
        "long",
    )
    .await;
    for setting in [
        "CONFIG SET slowlog-log-slower-than 300000",
        "SLOWLOG RESET",
        "CONFIG RESETSTAT",
    ] {
        command(&environment, setting).await;
    }
    let (said, drifted) = verified(&environment, false).await;
    assert_eq!(
        (said.as_str(), drifted),
        ("2 objects: 2 synced; 2 had drifted", 2)
    );
    let slow = environment
        .redis
        .command(&["SLOWLOG", "LEN"])
        .await
        .unwrap();
    assert_eq!(slow, "0");
    let stats = ["INFO", "commandstats"];
    let stats = environment.redis.command(&stats).await.unwrap();
    assert!(!stats.contains("cmdstat_sscan"), "{stats}");
    assert_held(&environment, json!({"large": "v", "long": "v"})).await;
}

/// What another function commits between the look at a record and the look at its key is that function's work:
/// nothing has drifted. Fails where the record is not read again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_while_it_is_compared_has_not_drifted() {
    let (s3, redis, turnstile, mut variables) = with_turnstile().await;
    let other = Function::start(bootstrap(), variables.clone());
    variables.push(("REDIS_PORT".into(), turnstile.port().to_string()));
    let verifying = Function::start(bootstrap(), variables);
    let (other, verifying) = tokio::try_join!(other, verifying).unwrap();
    let put = async |value: &str| {
        s3.put("flags/a", texts(&[("a", value)]));
        let put = event::created(BUCKET, "flags/a");
        other.invoke(put).await.unwrap();
    };
    put("old").await;
    for calls in 0..20 {
        turnstile.let_through(calls);
        let overtake = async {
            turnstile.holds_one().await;
            put(&format!("new {calls}")).await;
            turnstile.open();
            std::future::pending::<()>().await;
        };
        let report = tokio::select! {
            report = verifying.invoke(json!({"sync": {"verify": true}})) => report.unwrap(),
            () = overtake => unreachable!(),
        };
        assert_eq!(report["counts"]["drifted"], 0, "{calls}: {report}");
    }
    let held = held(&redis).await;
    assert!(held["a"].as_str().unwrap().starts_with("new "), "{held:?}");
}
