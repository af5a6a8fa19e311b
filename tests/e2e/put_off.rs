//! Objects that failed when they were last tried, and would be made from the same again, come last in a full sync.

use crate::environment::{assert_held, environment, sync};
use crate::objects::one;
use crate::out_of_time::{now, within};
use redis_sync_local::{BUCKET, Environment, Operation, event};
use serde_json::{Value, json};

/// Objects that have taken half a second each to fail, as they would again.
async fn slow_failures(objects: usize) -> (Environment, Vec<String>) {
    let environment = environment(&[
        ("FUEL_LIMIT", "18446744073709551615"),
        ("TIME_LIMIT_MS", "500"),
        ("CONCURRENCY", "1"),
    ])
    .await;
    let keys: Vec<String> = (0..objects)
        .map(|number| format!("flags/{number:02}"))
        .collect();
    for keys in keys.chunks(10) {
        for key in keys {
            environment.s3.put(key, json!({"do": "spin"}).to_string());
        }
        let events = keys.iter().map(|key| event::created(BUCKET, key));
        let failed = environment.function.invoke(event::batch(events)).await;
        failed.unwrap_err();
    }
    (environment, keys)
}

/// Parts of a sync until one is at the end, each with so many seconds.
async fn parts(environment: &Environment, request: &Value, seconds: u64) -> Vec<Value> {
    let (mut request, mut parts) = (request.clone(), Vec::<Value>::new());
    loop {
        let part = within(environment, request.clone(), seconds).await.unwrap();
        request["after"] = part["next"].clone();
        request["chain"] = part["chain"].clone();
        let is_end = part.get("next").is_none();
        assert!(is_end || part["got_on"] == true, "{part}");
        parts.push(part);
        if is_end {
            return parts;
        }
        assert!(parts.len() < 20, "{parts:#?}");
    }
}

/// Each was tried once, but for one that the end of a part may have broken off.
fn assert_read_once(environment: &Environment, keys: &[String], parts: usize) {
    let reads = |key: &String| environment.s3.count_of(Operation::GetObject, key);
    let reads: Vec<usize> = keys.iter().map(reads).collect();
    assert!(!reads.contains(&0), "{reads:?}");
    let all: usize = reads.iter().sum();
    assert!(all < keys.len() + parts, "{reads:?}, {parts} parts");
}

/// At the front of the alphabet they do not keep a sync from the rest; and each of them is tried, once, however many
/// parts that takes: also where plugins run in any case.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_before_comes_last_and_is_tried_once() {
    let (environment, keys) = slow_failures(20).await;
    environment.s3.put("flags/07", one("mended"));
    environment.s3.put("flags/99", one("behind"));
    for force in [false, true] {
        environment.s3.reset_counts();
        let parts = parts(&environment, &json!({"force": force}), 6).await;
        assert!(parts.len() > 1, "{parts:#?}");
        let first = &parts[0];
        let (synced, next) = (&first["counts"]["synced"], &first["next"]);
        assert_eq!((synced, next), (&json!(2), &json!("")), "{first}");
        let message = first["message"].as_str().unwrap();
        assert!(message.contains("failed before"), "{message}");
        let listed = parts
            .iter()
            .flat_map(|part| part["failed"].as_array().unwrap());
        let tried = listed.filter(|failure| failure["not_reached"] != true);
        assert_eq!(tried.count(), 19, "{parts:#?}");
        let counted = |outcome: &str| {
            let counts = parts.iter().map(|part| part["counts"][outcome].as_u64());
            counts.flatten().sum::<u64>()
        };
        assert_eq!((counted("failed"), counted("synced")), (19, 2));
        assert_eq!(counted("unchanged"), 0, "{parts:#?}");
        assert_eq!(parts.last().unwrap()["status"], "error");
        assert_read_once(&environment, &keys, parts.len());
        assert_held(&environment, json!({"mended": "v", "behind": "v"})).await;
    }
}

/// A strict sync that is repeated goes on with what it has put off.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_that_is_repeated_comes_to_what_failed_before() {
    let (environment, keys) = slow_failures(20).await;
    environment.s3.reset_counts();
    let mut told = Vec::new();
    while told.len() < 20 {
        let part = within(&environment, json!({"strict": true}), 6).await;
        told.push(part.unwrap_err().to_string());
        if !told.last().unwrap().contains("the next one goes on") {
            break;
        }
    }
    assert!(told.len() > 1, "{told:#?}");
    assert!(
        told[0].contains("the next one goes on with these"),
        "{told:#?}"
    );
    assert_read_once(&environment, &keys, told.len());
}

/// Where it has come to its end, what failed on the way counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_part_is_no_success_where_an_earlier_one_was_none() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/b", one("b"));
    let began = now();
    let chain = json!({"whole": true, "began": began, "ended": began, "failed": 2});
    let report = sync(&environment, json!({"after": "flags/a", "chain": chain})).await;
    assert_eq!(report["status"], "error", "{report}");
    let said = "1 object: 1 synced; 2 failed up to `flags/a`";
    assert_eq!(report["message"], said);
}
