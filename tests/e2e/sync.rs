//! A sync of the bucket or of a part of it.

use crate::answers::{counted, counts, message};
use crate::environment::{assert_held, environment, sync};
use crate::objects::{one, yields};
use redis_sync_local::{Effect, Environment, Fault, Operation};
use serde_json::json;
use std::time::Duration;

/// One object that stays, and one each that changes, comes and goes without an event.
pub(crate) async fn change_unseen(environment: &Environment) {
    for key in ["stays", "changes", "goes"] {
        environment
            .upload(&format!("flags/{key}.json"), one(key))
            .await
            .unwrap();
    }
    environment.s3.put("flags/changes.json", one("changed"));
    environment.s3.put("flags/new.json", one("new"));
    environment.s3.delete("flags/goes.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_finds_what_no_event_told_of() {
    let environment = environment(&[]).await;
    environment.upload("goes.txt", "unmatched").await.unwrap();
    change_unseen(&environment).await;
    environment.s3.put("zz.txt", "unmatched");
    environment.s3.delete("goes.txt");
    environment.s3.reset_counts();
    let report = sync(&environment, json!({})).await;
    let expected = json!({
        "status": "success", "message": "6 objects: 3 synced, 1 unchanged, 2 deleted", "dry_run": false,
        "counts": {"synced": 3, "unchanged": 1, "deleted": 2, "superseded": 0, "skipped": 0, "failed": 0},
        "failed": [], "stray_keys": 0,
    });
    assert_eq!(report, expected);
    assert_held(
        &environment,
        json!({"stays": "v", "changed": "v", "new": "v", "zz.txt": "unmatched"}),
    )
    .await;
    // What is unchanged was not read.
    assert_eq!(
        environment
            .s3
            .count_of(Operation::GetObject, "flags/stays.json"),
        0
    );
    environment.s3.reset_counts();
    let report = sync(&environment, json!({})).await;
    assert_eq!(counts(&report), counted([("unchanged", 4)]));
    assert_eq!(environment.s3.count(Operation::GetObject), 0);
}

/// A sync passes it over neither while it fails nor then, when its entries would be made from what they were made
/// from.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_what_it_was_before_it_failed_has_failed_no_more() {
    let environment = environment(&[]).await;
    let failed = async || {
        let status = environment.function.invoke(json!({"status": {}})).await;
        status.unwrap()["failed"].take()
    };
    environment.upload("flags/a.json", one("a")).await.unwrap();
    message(environment.upload("flags/a.json", "broken").await);
    assert_eq!(failed().await, 1);
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "1 object: 1 failed", "it is tried again");
    environment.s3.put("flags/a.json", one("a"));
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["status"], "success");
    assert_eq!(failed().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_reports_what_failed_and_changes_nothing_there() {
    let environment = environment(&[]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    environment.s3.put("flags/a.json", "broken");
    environment.s3.put("flags/b.json", one("b"));
    let report = sync(&environment, json!({"prefix": "flags/"})).await;
    assert_eq!(report["status"], "error");
    assert_eq!(report["message"], "2 objects: 1 synced, 1 failed");
    assert_eq!(counts(&report), counted([("synced", 1), ("failed", 1)]));
    assert_eq!(report["failed"][0]["key"], "flags/a.json");
    let why = report["failed"][0]["error"].as_str().unwrap();
    assert!(why.contains("plugin `flags.wasm`"), "{why}");
    assert_held(&environment, json!({"a": "v", "b": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_cannot_read_the_plugin_list_is_not_started_and_says_so() {
    let environment = environment(&[]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    environment.s3.put("flags/a.json", one("b"));
    environment.s3.inject(Fault {
        operation: Operation::ListObjectsV2,
        key: Some("plugins/".to_owned()),
        times: None,
        effect: Effect::Fail(403),
    });
    let report = sync(&environment, json!({})).await;
    let said = report["message"].as_str().unwrap();
    assert!(said.starts_with("0 objects; not started: "), "{report}");
    assert_eq!(report["status"], "error");
    assert_held(&environment, json!({"a": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_of_a_prefix_leaves_the_rest_alone() {
    let environment = environment(&[]).await;
    for key in ["a/1.txt", "a/2.txt", "b/1.txt", "a0.txt"] {
        environment.upload(key, "v").await.unwrap();
        environment.s3.delete(key);
    }
    environment.s3.put("a/2.txt", "new");
    let report = sync(&environment, json!({"prefix": "a/"})).await;
    assert_eq!(counts(&report), counted([("synced", 1), ("deleted", 1)]));
    assert_held(
        &environment,
        json!({"a/2.txt": "new", "b/1.txt": "v", "a0.txt": "v"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_sync_runs_and_writes_again() {
    let environment = environment(&[]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    environment
        .redis
        .command(&["SET", "a", "meddled"])
        .await
        .unwrap();
    assert_eq!(
        counts(&sync(&environment, json!({})).await),
        counted([("unchanged", 1)])
    );
    let report = sync(&environment, json!({"force": true})).await;
    assert_eq!(counts(&report), counted([("synced", 1)]));
    assert_held(&environment, json!({"a": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_expired_or_were_evicted_are_written_again() {
    let environment = environment(&[]).await;
    let entries = json!({"a": {"expiring": ["v", 60]}, "b": {"bytes": "v"}});
    environment
        .upload("flags/a.json", yields(&entries))
        .await
        .unwrap();
    environment.redis.command(&["DEL", "a"]).await.unwrap();
    let report = sync(&environment, json!({"dry_run": true})).await;
    assert_eq!(counts(&report), counted([("synced", 1)]));
    assert_held(&environment, json!({"b": "v"})).await;
    assert_eq!(
        counts(&sync(&environment, json!({})).await),
        counted([("synced", 1)])
    );
    assert_held(&environment, json!({"a": "v", "b": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_bookkeeping_heals() {
    let environment = environment(&[]).await;
    for key in ["a", "b"] {
        environment
            .upload(&format!("flags/{key}.json"), one(key))
            .await
            .unwrap();
    }
    environment.redis.command(&["FLUSHALL"]).await.unwrap();
    assert_eq!(
        counts(&sync(&environment, json!({})).await),
        counted([("synced", 2)])
    );
    assert_held(&environment, json!({"a": "v", "b": "v"})).await;
    assert_eq!(
        counts(&sync(&environment, json!({})).await),
        counted([("unchanged", 2)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_runs_out_of_time_says_where_and_goes_on_when_called_again() {
    let environment = environment(&[]).await;
    // Compiling the plugin is not what this is about.
    environment.upload("flags/0.json", one("0")).await.unwrap();
    for key in ["flags/a.json", "flags/b.json"] {
        environment.s3.put(key, one(key));
    }
    let parked = environment.s3.park(Operation::GetObject, "flags/b.json");
    let request = json!({"sync": {}});
    let limit = Duration::from_secs(3);
    let report = environment
        .function
        .invoke_within(&request, limit)
        .await
        .unwrap();
    assert_eq!(report["status"], "error");
    let expected = "3 objects: 1 synced, 1 unchanged, 1 not reached; stopped at the start, call again for the rest: the invocation's time is nearly over";
    assert_eq!(report["message"], expected);
    assert_eq!(report["failed"][0]["key"], "flags/b.json");
    drop(parked);
    let report = sync(&environment, json!({})).await;
    assert_eq!(counts(&report), counted([("synced", 1), ("unchanged", 2)]));
}
