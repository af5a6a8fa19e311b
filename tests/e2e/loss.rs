//! Redis evicts what it likes, the bookkeeping too: the next sync heals it, and nothing is left over.

use crate::environment::{self, environment, upload, with_queue, work_off};
use crate::objects::texts;
use crate::out_of_time::{is_stuck, within};
use redis_sync_local::{Effect, Environment, Fault, Operation};
use redis_sync_tests::held::held;
use serde_json::{Value, json};

const RECORD: &str = "redis-sync:object:config/flags/a";

async fn synced(environment: &Environment, request: Value) -> Value {
    let report = environment::sync(environment, request).await;
    assert_eq!(report["status"], "success", "{report}");
    report
}

async fn lose(environment: &Environment, what: &[&str]) {
    environment.redis.command(what).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_evicted_record_are_removed_by_the_next_sync() {
    let environment = environment(&[]).await;
    let before = texts(&[("k", "1"), ("l", "1"), ("n", "1")]);
    environment.upload("flags/a", before).await.unwrap();
    let neighbour = texts(&[("m", "1")]);
    environment.upload("flags/b", neighbour).await.unwrap();
    lose(&environment, &["DEL", RECORD]).await;
    upload(&environment, "flags/a", &[("k", "2")]).await;
    let stale = json!({"k": "2", "l": "1", "m": "1", "n": "1"});
    assert_eq!(held(&environment.redis).await, stale);

    for (prefix, dry_run, strays) in [("", true, 2), ("flags/b", false, 0), ("flags/", false, 2)] {
        let report = synced(&environment, json!({"prefix": prefix, "dry_run": dry_run})).await;
        assert_eq!(report["stray_keys"], strays, "{report}");
        if strays == 0 || dry_run {
            assert_eq!(held(&environment.redis).await, stale);
        }
    }
    assert_eq!(held(&environment.redis).await, json!({"k": "2", "m": "1"}));
    let report = synced(&environment, json!({})).await;
    assert_eq!(report["message"], "2 objects: 2 unchanged");
    // Who wants the key now finds it free.
    upload(&environment, "flags/b", &[("l", "b")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_no_index_lists_is_missed_by_the_next_sync() {
    let environment = environment(&[]).await;
    for (key, redis_key) in [("flags/a", "k"), ("flags/b", "l")] {
        environment
            .upload(key, texts(&[(redis_key, "1")]))
            .await
            .unwrap();
    }
    for what in [
        vec!["redis-sync:index:config"],
        vec!["redis-sync:index:config", RECORD],
    ] {
        lose(&environment, &[&["DEL"], what.as_slice()].concat()).await;
        environment.s3.delete("flags/a");
        let preview = synced(&environment, json!({"dry_run": true})).await;
        assert_eq!(preview["counts"]["deleted"], 1, "{preview}");
        let report = synced(&environment, json!({})).await;
        assert_eq!(report["counts"]["deleted"], 1, "{report}");
        assert_eq!(held(&environment.redis).await, json!({"l": "1"}));
        let again = synced(&environment, json!({})).await;
        assert_eq!(again["message"], "1 object: 1 unchanged");
        upload(&environment, "flags/a", &[("k", "1")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_owners_a_deletion_still_removes_and_a_sync_notes_them_again() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    upload(&environment, "flags/b", &[("l", "1")]).await;
    lose(&environment, &["DEL", "redis-sync:owners"]).await;
    environment.remove("flags/a").await.unwrap();
    assert_eq!(held(&environment.redis).await, json!({"l": "1"}));

    let report = synced(&environment, json!({})).await;
    assert_eq!(report["counts"]["synced"], 1, "{report}");
    let error = environment.upload("flags/a", texts(&[("l", "2")])).await;
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("belongs to the object `flags/b`"),
        "{message}"
    );
}

/// A primary failed before its replica had got the last write: key and mark are the older ones again.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_a_failover_lost_is_written_again() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    let mark = ["HGET", "redis-sync:owners", "k"];
    let mark = environment.redis.command(&mark).await.unwrap();
    upload(&environment, "flags/a", &[("k", "2")]).await;
    lose(&environment, &["SET", "k", "1"]).await;
    lose(&environment, &["HSET", "redis-sync:owners", "k", &mark]).await;
    let report = synced(&environment, json!({})).await;
    assert_eq!(report["counts"]["synced"], 1, "{report}");
    assert_eq!(held(&environment.redis).await, json!({"k": "2"}));
}

/// G3, also where nothing is known of the object any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_fails_keeps_its_keys_though_its_record_is_gone() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    lose(&environment, &["DEL", RECORD, "redis-sync:index:config"]).await;
    environment.s3.put("flags/a", "not for this plugin");
    let request = json!({"sync": {}});
    let report = environment.function.invoke(request).await.unwrap();
    assert_eq!(report["message"], "1 object: 1 failed");
    assert_eq!(report["stray_keys"], 0);
    assert_eq!(held(&environment.redis).await, json!({"k": "1"}));
}

/// An object without entries has no key that says whose it is: the listing alone shows that the index
/// lacks it.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_yields_nothing_comes_back_into_the_index() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", texts(&[])).await.unwrap();
    environment
        .upload("flags/b", texts(&[("k", "1")]))
        .await
        .unwrap();
    let index = ["ZRANGE", "redis-sync:index:config", "0", "-1"];
    let indexed = environment.redis.command(&index).await.unwrap();
    assert_eq!(indexed, "flags/a\nflags/b");
    for lost in ["flags/a", "flags/b"] {
        lose(&environment, &["ZREM", "redis-sync:index:config", lost]).await;
        let report = synced(&environment, json!({})).await;
        assert_eq!(report["message"], "2 objects: 2 unchanged");
        assert_eq!(environment.redis.command(&index).await.unwrap(), indexed);
    }
}

/// For half of its time a sync that has a queue does that itself, and what it has no time for it hands over.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_index_lacks_comes_back_by_the_queue_where_a_sync_has_no_time_for_it() {
    let (queue, environment) = with_queue().await;
    // Objects without entries: others are missed also by their keys.
    for key in ["flags/a", "flags/b"] {
        upload(&environment, key, &[]).await;
    }
    let remove = ["ZREM", "redis-sync:index:config", "flags/a", "flags/b"];
    let index = ["ZRANGE", "redis-sync:index:config", "0", "-1"];

    lose(&environment, &remove).await;
    environment.s3.put("z/stuck", "slow");
    is_stuck(&environment, "z/stuck");
    let report = within(&environment, json!({}), 12).await.unwrap();
    assert_eq!(report["message"], "3 objects: 2 unchanged, 1 queued");
    // The object that takes long, and those that are not in the index, which is no work of its own.
    assert_eq!(queue.sent(), 2);
    environment.s3.clear_faults();
    work_off(&environment.function, &queue).await;
    let indexed = environment.redis.command(&index).await.unwrap();
    assert_eq!(indexed, "flags/a\nflags/b\nz/stuck");

    lose(&environment, &remove).await;
    environment.s3.inject(Fault {
        operation: Operation::GetObject,
        key: Some("flags/b".to_owned()),
        times: None,
        effect: Effect::Fail(403),
    });
    let report = environment::sync(&environment, json!({})).await;
    assert_eq!(report["message"], "4 objects: 3 unchanged, 1 failed");
    assert_eq!(queue.sent(), 2, "there was time");
    assert_eq!(environment.redis.command(&index).await.unwrap(), indexed);
}

/// A record lists its keys in one piece, in several, or in one that is long.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_many_keys_is_missed_as_well_as_the_first() {
    let environment = environment(&[]).await;
    for keys in [1, 3, 12, 60] {
        // They have nothing in common, so that each takes its length.
        let key = |number: usize| format!("{number}{}", "abcdefgh".repeat(3));
        let names: Vec<String> = (0..keys).map(key).collect();
        let entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        upload(&environment, "flags/a", &entries).await;
        for name in &names {
            lose(&environment, &["DEL", name]).await;
            let report = synced(&environment, json!({})).await;
            assert_eq!(
                report["counts"]["synced"], 1,
                "{keys} keys, {name}: {report}"
            );
        }
        assert_eq!(held(&environment.redis).await, texts_held(&entries));
    }
}

fn texts_held(entries: &[(&str, &str)]) -> Value {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect()
}
