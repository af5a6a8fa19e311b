//! A sync of the bucket or of a part of it.

use crate::world::{assert_held, one, world, yields};
use redis_sync_local::{Environment, Operation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The report of a sync.
pub(crate) async fn sync(world: &Environment, request: Value) -> Value {
    world
        .function
        .invoke(json!({"sync": request}))
        .await
        .unwrap()
}

/// The counts of a report that are not zero.
pub(crate) fn counts(report: &Value) -> BTreeMap<String, u64> {
    let counts = report["counts"].as_object().unwrap();
    assert_eq!(counts.len(), 6, "{report}");
    counts
        .iter()
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Counts to compare them with.
pub(crate) fn counted<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

/// One object that stays, and one each that changes, comes and goes without an event.
pub(crate) async fn change_unseen(world: &Environment) {
    for key in ["stays", "changes", "goes"] {
        world
            .upload(&format!("flags/{key}.json"), one(key))
            .await
            .unwrap();
    }
    world.s3.put("flags/changes.json", one("changed"));
    world.s3.put("flags/new.json", one("new"));
    world.s3.delete("flags/goes.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_finds_what_no_event_told_of() {
    let world = world().await;
    world.upload("goes.txt", "unmatched").await.unwrap();
    change_unseen(&world).await;
    world.s3.put("zz.txt", "unmatched");
    world.s3.delete("goes.txt");
    world.s3.reset_counts();
    let report = sync(&world, json!({})).await;
    let expected = json!({
        "status": "success", "message": "6 objects: 3 synced, 1 unchanged, 2 deleted", "dry_run": false,
        "counts": {"synced": 3, "unchanged": 1, "deleted": 2, "superseded": 0, "skipped": 0, "failed": 0},
        "failed": [], "stray_keys": 0,
    });
    assert_eq!(report, expected);
    assert_held(
        &world,
        json!({"stays": "v", "changed": "v", "new": "v", "zz.txt": "unmatched"}),
    )
    .await;
    // What is unchanged was not read.
    assert_eq!(
        world.s3.count_of(Operation::GetObject, "flags/stays.json"),
        0
    );
    world.s3.reset_counts();
    let report = sync(&world, json!({})).await;
    assert_eq!(counts(&report), counted([("unchanged", 4)]));
    assert_eq!(world.s3.count(Operation::GetObject), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_reports_what_failed_and_changes_nothing_there() {
    let world = world().await;
    world.upload("flags/a.json", one("a")).await.unwrap();
    world.s3.put("flags/a.json", "broken");
    world.s3.put("flags/b.json", one("b"));
    let report = sync(&world, json!({"prefix": "flags/"})).await;
    assert_eq!(report["status"], "error");
    assert_eq!(report["message"], "2 objects: 1 synced, 1 failed");
    assert_eq!(counts(&report), counted([("synced", 1), ("failed", 1)]));
    assert_eq!(report["failed"][0]["key"], "flags/a.json");
    let why = report["failed"][0]["error"].as_str().unwrap();
    assert!(why.contains("plugin `flags.wasm`"), "{why}");
    assert_held(&world, json!({"a": "v", "b": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_of_a_prefix_leaves_the_rest_alone() {
    let world = world().await;
    for key in ["a/1.txt", "a/2.txt", "b/1.txt", "a0.txt"] {
        world.upload(key, "v").await.unwrap();
        world.s3.delete(key);
    }
    world.s3.put("a/2.txt", "new");
    let report = sync(&world, json!({"prefix": "a/"})).await;
    assert_eq!(counts(&report), counted([("synced", 1), ("deleted", 1)]));
    assert_held(
        &world,
        json!({"a/2.txt": "new", "b/1.txt": "v", "a0.txt": "v"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_sync_runs_and_writes_again() {
    let world = world().await;
    world.upload("flags/a.json", one("a")).await.unwrap();
    world.redis.command(&["SET", "a", "meddled"]).await.unwrap();
    assert_eq!(
        counts(&sync(&world, json!({})).await),
        counted([("unchanged", 1)])
    );
    let report = sync(&world, json!({"force": true})).await;
    assert_eq!(counts(&report), counted([("synced", 1)]));
    assert_held(&world, json!({"a": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_expired_or_were_evicted_are_written_again() {
    let world = world().await;
    let entries = json!({"a": {"expiring": ["v", 60]}, "b": {"bytes": "v"}});
    world.upload("flags/a.json", yields(entries)).await.unwrap();
    world.redis.command(&["DEL", "a"]).await.unwrap();
    let report = sync(&world, json!({"dry_run": true})).await;
    assert_eq!(counts(&report), counted([("synced", 1)]));
    assert_held(&world, json!({"b": "v"})).await;
    assert_eq!(
        counts(&sync(&world, json!({})).await),
        counted([("synced", 1)])
    );
    assert_held(&world, json!({"a": "v", "b": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_bookkeeping_heals() {
    let world = world().await;
    for key in ["a", "b"] {
        world
            .upload(&format!("flags/{key}.json"), one(key))
            .await
            .unwrap();
    }
    world.redis.command(&["FLUSHALL"]).await.unwrap();
    assert_eq!(
        counts(&sync(&world, json!({})).await),
        counted([("synced", 2)])
    );
    assert_held(&world, json!({"a": "v", "b": "v"})).await;
    assert_eq!(
        counts(&sync(&world, json!({})).await),
        counted([("unchanged", 2)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_runs_out_of_time_says_where_and_goes_on_when_called_again() {
    let world = world().await;
    // Compiling the plugin is not what this is about.
    world.upload("flags/0.json", one("0")).await.unwrap();
    for key in ["flags/a.json", "flags/b.json"] {
        world.s3.put(key, one(key));
    }
    let parked = world.s3.park(Operation::GetObject, "flags/b.json");
    let request = json!({"sync": {}});
    let limit = Duration::from_secs(3);
    let report = world.function.invoke_within(&request, limit).await.unwrap();
    assert_eq!(report["status"], "error");
    let expected = "3 objects: 1 synced, 1 unchanged, 1 failed; stopped at the start, call again for the rest: the invocation's time is nearly over";
    assert_eq!(report["message"], expected);
    assert_eq!(report["failed"][0]["key"], "flags/b.json");
    drop(parked);
    let report = sync(&world, json!({})).await;
    assert_eq!(counts(&report), counted([("synced", 1), ("unchanged", 2)]));
}
