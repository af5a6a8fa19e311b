//! What an operator calls directly.

use crate::world::{assert_held, message, one, outcome, world, world_with, yields};
use redis_sync::local::{Environment, Operation, Redis, event};
use redis_sync_tests::guest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

async fn sync(world: &Environment, request: Value) -> Value {
    world
        .function
        .invoke(json!({"sync": request}))
        .await
        .unwrap()
}

/// The counts of a report that are not zero.
fn counts(report: &Value) -> BTreeMap<String, u64> {
    let counts = report["counts"].as_object().unwrap();
    assert_eq!(counts.len(), 6, "{report}");
    counts
        .iter()
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn counted<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

async fn connect(redis: &Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// All that Redis holds, bookkeeping too, as it would be dumped.
async fn everything(redis: &Redis) -> BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut link = connect(redis).await;
    let command = |name: &str, key: &str| redis::cmd(name).arg(key).to_owned();
    let keys: Vec<String> = command("KEYS", "*").query_async(&mut link).await.unwrap();
    let mut all = BTreeMap::new();
    for key in keys {
        let kind: String = command("TYPE", &key).query_async(&mut link).await.unwrap();
        // A hash is dumped in the order of its table, which Redis changes as it likes.
        let content = if kind == "hash" {
            let fields = command("HGETALL", &key).query_async(&mut link).await;
            fields.unwrap()
        } else {
            let dump = command("DUMP", &key).query_async(&mut link).await.unwrap();
            BTreeMap::from([(Vec::new(), dump)])
        };
        all.insert(key, content);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn read_gives_a_value_of_every_type() {
    let world = world().await;
    let entries = json!({
        "bytes": {"bytes": "text"}, "hash": {"hash": {"f": "v"}}, "list": {"list": ["b", "a"]},
        "set": {"set": ["a"]}, "scores": {"sorted_set": [["m", 1.5]]},
    });
    world.upload("flags/a.json", yields(entries)).await.unwrap();
    for (key, expected) in [
        ("bytes", json!("text")),
        ("hash", json!({"f": "v"})),
        ("list", json!(["b", "a"])),
        ("set", json!(["a"])),
        ("scores", json!([["m", 1.5]])),
        ("absent", json!(null)),
    ] {
        let value = world.function.invoke(json!({"read": key})).await.unwrap();
        assert_eq!(value, expected, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_who_wrote_a_key() {
    let world = world_with(&[("REDIS_KEY_PREFIX", "p:")]).await;
    let etag = world.s3.put("flags/a.json", one("k"));
    world
        .function
        .invoke(event::created("config", "flags/a.json"))
        .await
        .unwrap();
    let mut answer = world
        .function
        .invoke(json!({"explain": "k"}))
        .await
        .unwrap();
    assert!(answer["written_at"].take().as_u64().unwrap() > 1_700_000_000_000);
    let digest = redis_sync::fingerprint::sha256(&guest::module("scenario"));
    let expected = json!({
        "key": "p:k", "object": "config/flags/a.json", "etag": etag, "version_id": null,
        "plugins": [{"name": "flags.wasm", "sha256": digest}], "written_at": null,
    });
    assert_eq!(answer, expected);
    let nobody = world
        .function
        .invoke(json!({"explain": "other"}))
        .await
        .unwrap();
    assert_eq!(nobody, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_and_names_what_failed() {
    let world = world().await;
    let status = || async { world.function.invoke(json!({"status": {}})).await.unwrap() };
    assert_eq!(
        status().await,
        json!({"objects": 0, "failed": 0, "failures": []})
    );
    world.upload("flags/a.json", one("a")).await.unwrap();
    world.upload("flags/b.json", one("b")).await.unwrap();
    message(world.upload("flags/b.json", "broken").await);
    message(world.upload("flags/c.json", "broken").await);
    let mut answer = status().await;
    assert_eq!(
        (&answer["objects"], &answer["failed"]),
        (&json!(2), &json!(2))
    );
    let failures = answer["failures"].take();
    for (place, key) in ["flags/b.json", "flags/c.json"].into_iter().enumerate() {
        assert_eq!(failures[place]["key"], key);
        assert!(
            failures[place]["error"]
                .as_str()
                .unwrap()
                .contains("`flags.wasm`"),
            "{failures}"
        );
        assert!(failures[place]["at"].as_u64().unwrap() > 1_700_000_000_000);
    }
    world.upload("flags/b.json", one("b")).await.unwrap();
    world.remove("flags/c.json").await.unwrap();
    assert_eq!(
        status().await,
        json!({"objects": 2, "failed": 0, "failures": []})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_finds_what_no_event_told_of() {
    let world = world().await;
    for key in ["stays", "changes", "goes"] {
        world
            .upload(&format!("flags/{key}.json"), one(key))
            .await
            .unwrap();
    }
    world.upload("goes.txt", "unmatched").await.unwrap();
    world.s3.put("flags/changes.json", one("changed"));
    world.s3.put("flags/new.json", one("new"));
    world.s3.put("zz.txt", "unmatched");
    world.s3.delete("flags/goes.json");
    world.s3.delete("goes.txt");
    world.s3.reset_counts();
    let report = sync(&world, json!({})).await;
    let expected = json!({
        "status": "success", "message": "6 objects: 3 synced, 1 unchanged, 2 deleted", "dry_run": false,
        "counts": {"synced": 3, "unchanged": 1, "deleted": 2, "superseded": 0, "skipped": 0, "failed": 0},
        "failed": [],
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
async fn a_dry_run_tells_what_would_change_and_writes_nothing() {
    let world = world().await;
    for key in ["stays", "changes", "goes"] {
        world
            .upload(&format!("flags/{key}.json"), one(key))
            .await
            .unwrap();
    }
    world.s3.put("flags/changes.json", one("changed"));
    world.s3.put("flags/new.json", one("new"));
    world.s3.put("flags/bad.json", "broken");
    world.s3.delete("flags/goes.json");
    let before = everything(&world.redis).await;
    let report = sync(&world, json!({"dry_run": true})).await;
    assert_eq!(report["dry_run"], true);
    let expected = counted([
        ("synced", 2),
        ("unchanged", 1),
        ("deleted", 1),
        ("failed", 1),
    ]);
    assert_eq!(counts(&report), expected);
    assert_eq!(report["failed"][0]["key"], "flags/bad.json");
    assert_eq!(everything(&world.redis).await, before);
    assert_eq!(world.s3.count(Operation::PutObject), 0);
    assert_eq!(counts(&sync(&world, json!({})).await), expected);
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
async fn an_object_with_a_ticket_outstanding_is_not_passed_over() {
    let world = world().await;
    world.upload("flags/a.json", one("a")).await.unwrap();
    // Another function has read the object as it is, and is about to commit that.
    world.s3.put("flags/a.json", one("between"));
    let slow = world.another_function().await.unwrap();
    let parked = world.s3.park_answer(Operation::GetObject, "flags/a.json");
    let late =
        tokio::spawn(async move { slow.invoke(event::created("config", "flags/a.json")).await });
    parked.reached().await;
    // The object is what Redis holds again, so the record equals the listing.
    world.s3.set_clock(None);
    world.s3.put("flags/a.json", one("a"));
    world.s3.reset_counts();
    sync(&world, json!({})).await;
    assert_eq!(world.s3.count_of(Operation::GetObject, "flags/a.json"), 1);
    parked.release();
    assert_eq!(outcome(&late.await.unwrap().unwrap()), "superseded");
    assert_held(&world, json!({"a": "v"})).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn every_invocation_writes_its_metrics() {
    let world = world_with(&[("METRICS_NAMESPACE", "Config")]).await;
    world.upload("flags/a.json", one("a")).await.unwrap();
    message(world.upload("flags/a.json", "broken").await);
    let last = world.function.wait_for_log("\"ObjectsFailed\":1").await;
    last.unwrap();
    let lines = world.function.logs();
    let metrics: Vec<Value> = lines
        .iter()
        .filter(|line| line.contains("\"_aws\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(metrics.len(), 2, "{lines:?}");
    for (line, (synced, failed)) in metrics.iter().zip([(1, 0), (0, 1)]) {
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Config");
        assert_eq!(line["FunctionName"], "redis-sync");
        assert_eq!(
            (&line["ObjectsSynced"], &line["ObjectsFailed"]),
            (&json!(synced), &json!(failed))
        );
        assert_eq!(line["InvocationsFailed"], failed);
        assert!(line["Duration"].as_f64().unwrap() > 0.0);
    }
}

/// Objects of the large sync: more than a page of a listing. `SYNC_OBJECTS` asks for more, to
/// measure.
fn large() -> usize {
    let number = std::env::var("SYNC_OBJECTS").ok();
    number.map_or(1200, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures of a measurement")]
async fn a_large_bucket_is_walked_through_page_by_page() {
    let (world, number) = (world().await, large());
    let limit = Duration::from_secs(900);
    for object in 0..number {
        world
            .s3
            .put(&format!("flags/{object:07}.json"), one(&object.to_string()));
    }
    let mut seconds = Vec::new();
    let expected = [("synced", number), ("unchanged", number)];
    for (outcome, number) in expected {
        let started = std::time::Instant::now();
        world.s3.reset_counts();
        let request = json!({"sync": {}});
        let report = world.function.invoke_within(&request, limit).await.unwrap();
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(
            counts(&report),
            counted([(outcome, u64::try_from(number).unwrap())])
        );
        let pages = number.div_ceil(1000);
        assert_eq!(world.s3.count_of(Operation::ListObjectsV2, ""), pages);
    }
    let peak = world.function.peak_memory_bytes().unwrap();
    println!(
        "{number} objects: {seconds:.1?} s, {} MiB at most",
        peak >> 20
    );
    assert!(seconds[1] < seconds[0] / 3.0, "{seconds:?}");
    world
        .function
        .wait_for_log("walking through the bucket")
        .await
        .unwrap();

    // Gone objects of every page, and before and after all others.
    for object in (0..number).step_by(500).chain([number - 1]) {
        world.s3.delete(&format!("flags/{object:07}.json"));
    }
    let gone = u64::try_from(number.div_ceil(500) + 1).unwrap();
    let request = json!({"sync": {}});
    let report = world.function.invoke_within(&request, limit).await.unwrap();
    let left = u64::try_from(number).unwrap() - gone;
    assert_eq!(
        counts(&report),
        counted([("unchanged", left), ("deleted", gone)])
    );
    let status = world.function.invoke(json!({"status": {}})).await.unwrap();
    assert_eq!(status["objects"], left);
}
