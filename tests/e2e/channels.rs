//! Every channel by its real payloads, and the exact answer each of them gets.

use crate::world::{assert_held, message, one, outcome, world, world_with};
use redis_sync::local::{Environment, Operation, event};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A payload as AWS documents it.
fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn failing() -> String {
    json!({"do": "fail", "message": "no"}).to_string()
}

/// A batch of SQS with one S3 notification a message, whose identifiers are `0`, `1`, …
fn queued(keys: &[String]) -> Value {
    let records = keys.iter().enumerate().map(|(place, key)| {
        json!({
            "messageId": place.to_string(),
            "body": event::created("config", key).to_string(),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:config-changes",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// The identifiers that an answer names, and nothing else is in it.
fn identifiers(answer: &Value) -> Vec<String> {
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    let failures = answer["batchItemFailures"].as_array().unwrap();
    let identifier = |failure: &Value| {
        assert_eq!(failure.as_object().unwrap().len(), 1, "{answer}");
        failure["itemIdentifier"].as_str().unwrap().to_owned()
    };
    failures.iter().map(identifier).collect()
}

async fn invoke(world: &Environment, name: &str) -> Value {
    world.function.invoke(fixture(name)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_form_encoded() {
    let world = world().await;
    world.s3.put("flags/red flower+é.json", one("a"));
    let report = invoke(&world, "s3-put").await;
    let fuel = report["objects"][0]["fuel"].as_u64().unwrap();
    let object = json!({
        "key": "flags/red flower+é.json", "outcome": "synced", "entries": 1,
        "plugin": "flags.wasm", "fuel": fuel, "error": null,
    });
    let expected = json!({"status": "success", "message": "1 object done", "objects": [object]});
    assert_eq!(report, expected);
    assert_held(&world, json!({"a": "v"})).await;

    world.s3.delete("flags/red flower+é.json");
    assert_eq!(outcome(&invoke(&world, "s3-delete").await), "deleted");
    assert_held(&world, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_of_every_kind_and_newer_event_versions_are_changes() {
    let world = world().await;
    world.upload("flags/a.json", one("a")).await.unwrap();
    for name in ["s3-multipart-2.6", "sns"] {
        assert_eq!(outcome(&invoke(&world, name).await), "unchanged", "{name}");
    }
    for name in ["s3-delete-marker", "s3-lifecycle-expiration"] {
        world.upload("flags/a.json", one("a")).await.unwrap();
        world.s3.delete("flags/a.json");
        assert_eq!(outcome(&invoke(&world, name).await), "deleted", "{name}");
        assert_held(&world, json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_no_content_is_done_at_once() {
    let world = world().await;
    let nothing = json!({"status": "success", "message": "0 objects done", "objects": []});
    for name in [
        "s3-test-event",
        "s3-tagging",
        "s3-restore",
        "eventbridge-tags-added",
        "eventbridge-storage-class-changed",
    ] {
        assert_eq!(invoke(&world, name).await, nothing, "{name}");
    }
    let empty = world.function.invoke(json!({"Records": []})).await;
    assert_eq!(empty.unwrap(), nothing);
    let compiled = event::created("config", "compiled/x.cwasm");
    assert_eq!(world.function.invoke(compiled).await.unwrap(), nothing);
    assert_eq!(world.s3.count(Operation::GetObject), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eventbridge_key_is_not_encoded() {
    let world = world().await;
    world.s3.put("flags/a+b%20c.json", one("a"));
    let report = invoke(&world, "eventbridge-created").await;
    assert_eq!(outcome(&report), "synced");
    assert_eq!(report["objects"][0]["key"], "flags/a+b%20c.json");
    world.s3.delete("flags/a+b%20c.json");
    let report = invoke(&world, "eventbridge-deleted").await;
    assert_eq!(outcome(&report), "deleted");
    assert_held(&world, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_notification_is_tried_before_it_fails() {
    let world = world().await;
    world.s3.put("flags/bad.json", failing());
    world.s3.put("flags/good.json", one("good"));
    let mut events = event::batch(
        ["flags/bad.json", "flags/good.json"].map(|key| event::created("config", key)),
    );
    let malformed =
        json!({"eventSource": "aws:s3", "s3": {"bucket": {"name": "config"}, "object": {}}});
    events["Records"]
        .as_array_mut()
        .unwrap()
        .insert(0, malformed);
    let why = message(world.function.invoke(events).await);
    assert!(
        why.contains("malformed S3 notification: missing field `key`"),
        "{why}"
    );
    assert!(
        why.contains("1 of 2 objects failed: `flags/bad.json`:"),
        "{why}"
    );
    assert_held(&world, json!({"good": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqs_batch_of_all_forms_names_exactly_what_failed() {
    let world = world().await;
    for name in ["s3", "sns", "bridge"] {
        world.s3.put(&format!("flags/{name}.json"), one(name));
    }
    world.s3.put("flags/failing.json", failing());
    let answer = invoke(&world, "sqs").await;
    // A body that breaks off, an object whose plugin fails, an event of another bucket.
    let failed = [5, 6, 7].map(|number| format!("059f36b4-87a3-44ab-83d2-66197595{number:04}"));
    assert_eq!(identifiers(&answer), failed);
    assert_held(&world, json!({"s3": "v", "sns": "v", "bridge": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqs_batch_succeeds_or_fails_as_a_whole() {
    let world = world().await;
    let keys = ["flags/a.json", "flags/b.json"].map(str::to_owned);
    for key in &keys {
        world.s3.put(key, one(key));
    }
    world.s3.fail(Operation::ListObjectsV2, 3, 503);
    let answer = world.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(identifiers(&answer), ["0", "1"]);
    assert_held(&world, json!({})).await;
    let answer = world.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_held(&world, json!({"flags/a.json": "v", "flags/b.json": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_batch_stops_at_its_first_failure() {
    let world = world().await;
    world.s3.put("flags/first.json", one("first"));
    world.s3.put("flags/failing.json", failing());
    world.s3.put("flags/third.json", one("third"));
    let answer = invoke(&world, "sqs-fifo").await;
    let failed = [2, 3].map(|number| format!("059f36b4-87a3-44ab-83d2-66197595{number:04}"));
    assert_eq!(identifiers(&answer), failed);
    assert_held(&world, json!({"first": "v"})).await;
    assert_eq!(
        world.s3.count_of(Operation::GetObject, "flags/third.json"),
        0
    );
}

/// The answer of a job with one task, apart from what it echoes.
async fn batch_result(world: &Environment, event: &Value) -> (String, String) {
    let answer = world.function.invoke(event).await.unwrap();
    let result = answer["results"][0].clone();
    let expected = json!({
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [{
            "taskId": event["tasks"][0]["taskId"],
            "resultCode": result["resultCode"],
            "resultString": result["resultString"],
        }],
    });
    assert_eq!(answer, expected);
    let text = |name: &str| result[name].as_str().unwrap().to_owned();
    (text("resultCode"), text("resultString"))
}

fn verdict(code: &str, text: &str) -> (String, String) {
    (code.to_owned(), text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_task_gets_its_result() {
    let world = world().await;
    let job = fixture("batch-1.0");
    world.s3.put("flags/red flower+.json", one("a"));
    assert_eq!(
        batch_result(&world, &job).await,
        verdict("Succeeded", "synced")
    );
    assert_held(&world, json!({"a": "v"})).await;
    world.s3.delete("flags/red flower+.json");
    assert_eq!(
        batch_result(&world, &job).await,
        verdict("Succeeded", "deleted")
    );
    assert_held(&world, json!({})).await;

    world.s3.put("flags/red flower+.json", failing());
    let (code, why) = batch_result(&world, &job).await;
    assert_eq!(code, "PermanentFailure");
    assert!(
        why.contains("plugin `flags.wasm`") && why.contains("no"),
        "{why}"
    );
    world.s3.fail(Operation::GetObject, 3, 503);
    let (code, why) = batch_result(&world, &job).await;
    assert_eq!(code, "TemporaryFailure");
    assert!(
        why.contains("S3 cannot read `flags/red flower+.json`"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plus_in_a_batch_key_is_a_space_only_where_there_is_no_object_with_the_plus() {
    let world = world().await;
    let job = fixture("batch-2.0");
    world.s3.put("flags/a b.json", one("space"));
    assert_eq!(
        batch_result(&world, &job).await,
        verdict("Succeeded", "synced")
    );
    assert_held(&world, json!({"space": "v"})).await;
    world.s3.put("flags/a+b.json", one("plus"));
    assert_eq!(
        batch_result(&world, &job).await,
        verdict("Succeeded", "synced")
    );
    assert_held(&world, json!({"space": "v", "plus": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_another_bucket_are_refused_by_its_name() {
    let world = world().await;
    let why = message(world.function.invoke(fixture("s3-other-bucket")).await);
    assert_eq!(
        why,
        "1 of 1 object failed: `flags/a.json`: the event is of the bucket `another`; this function serves `config`"
    );
    let mut job = fixture("batch-2.0");
    job["tasks"][0]["s3Bucket"] = json!("another");
    let (code, why) = batch_result(&world, &job).await;
    assert_eq!(code, "PermanentFailure");
    assert!(why.contains("the bucket `another`"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_payloads_are_refused_with_what_was_expected() {
    let world = world().await;
    let unknown = "unknown payload: expected an S3, SNS, SQS or EventBridge event, an S3 Batch Operations job, or one of {\"read\": KEY}, {\"explain\": KEY}, {\"sync\": {}}, {\"status\": {}}";
    let table = [
        (json!(null), unknown),
        (json!([1, 2]), unknown),
        (json!("text"), unknown),
        (json!({"hello": "world"}), unknown),
        (json!({"Records": 7}), unknown),
        (
            json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
            unknown,
        ),
        (
            json!({"sync": {"dryrun": true}}),
            "malformed operation: unknown field `dryrun`",
        ),
        (
            json!({"read": 7}),
            "malformed operation: invalid type: integer `7`",
        ),
        (
            json!({"read": "a", "explain": "a"}),
            "malformed operation: ",
        ),
        (
            json!({"invocationSchemaVersion": "1.0"}),
            "malformed S3 Batch Operations job: missing field `invocationId`",
        ),
        (
            json!({"Records": [{"eventSource": "aws:sqs"}]}),
            "malformed SQS batch: missing field `messageId`",
        ),
        (
            json!({"Records": [{"eventSource": "aws:kinesis"}]}),
            "malformed notification: a record of source `aws:kinesis` without an S3 object",
        ),
        (
            json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "config"}, "object": {"key": "%FF"}}}]}),
            "malformed S3 notification: the key `%FF` is not UTF-8",
        ),
        (
            json!({"source": "aws.s3", "detail-type": "Object Created"}),
            "malformed EventBridge event: it has no detail",
        ),
    ];
    for (payload, expected) in table {
        let why = message(world.function.invoke(&payload).await);
        assert!(why.starts_with(expected), "{payload}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_of_one_key_need_one_read() {
    let world = world().await;
    world.s3.put("flags/a.json", one("a"));
    let keys = vec!["flags/a.json".to_owned(); 50];
    let answer = world.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(world.s3.count_of(Operation::GetObject, "flags/a.json"), 1);
    world.s3.put("flags/a.json", failing());
    let answer = world.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(identifiers(&answer).len(), 50);
    assert_eq!(world.s3.count_of(Operation::GetObject, "flags/a.json"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_messages_exactly_the_ten_that_failed_are_named() {
    let world = world().await;
    let keys: Vec<String> = (0..1000)
        .map(|number| format!("flags/{number}.json"))
        .collect();
    let mut expected = serde_json::Map::new();
    for (number, key) in keys.iter().enumerate() {
        if number % 100 == 42 {
            world.s3.put(key, failing());
        } else {
            world.s3.put(key, one(key));
            expected.insert(key.clone(), json!("v"));
        }
    }
    let answer = world.function.invoke(queued(&keys)).await.unwrap();
    let failed: Vec<String> = (0..10)
        .map(|hundred| format!("{}", hundred * 100 + 42))
        .collect();
    assert_eq!(identifiers(&answer), failed);
    assert_held(&world, expected.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named_before_the_deadline() {
    let world = world_with(&[("CONCURRENCY", "1")]).await;
    let keys: Vec<String> = (0..8)
        .map(|number| format!("flags/{number}.json"))
        .collect();
    for key in &keys {
        world.s3.put(key, one(key));
    }
    // Compiling the plugin is not what this is about.
    let warm = event::created("config", "flags/7.json");
    world.function.invoke(warm).await.unwrap();
    let parked = world.s3.park(Operation::GetObject, "flags/3.json");
    let limit = Duration::from_secs(3);
    let started = Instant::now();
    let answer = world
        .function
        .invoke_within(queued(&keys), limit)
        .await
        .unwrap();
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    // The fourth was at it when time was up, the others had not begun.
    assert_eq!(identifiers(&answer), ["3", "4", "5", "6", "7"]);
    drop(parked);

    let parked = world.s3.park(Operation::GetObject, "flags/5.json");
    let events = event::batch(keys[4..7].iter().map(|key| event::created("config", key)));
    let why = message(world.function.invoke_within(events, limit).await);
    let expected = "2 of 3 objects failed: `flags/5.json`: not finished: the invocation's time is nearly over; `flags/6.json`: not started: the invocation's time is nearly over";
    assert_eq!(why, expected);
    drop(parked);
    let answer = world.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_holds_also_where_s3_and_redis_do_not_answer() {
    let world = world().await;
    world.s3.put("flags/a.json", one("a"));
    let keys = ["flags/a.json".to_owned()];
    let limit = Duration::from_secs(2);
    let parked = world.s3.park(Operation::ListObjectsV2, "plugins/");
    let answer = world
        .function
        .invoke_within(queued(&keys), limit)
        .await
        .unwrap();
    assert_eq!(identifiers(&answer), ["0"]);
    drop(parked);
    world.redis.pause().unwrap();
    let answer = world
        .function
        .invoke_within(queued(&keys), limit)
        .await
        .unwrap();
    assert_eq!(identifiers(&answer), ["0"]);
    let why = message(
        world
            .function
            .invoke_within(json!({"read": "a"}), limit)
            .await,
    );
    assert_eq!(why, "not finished: the invocation's time is nearly over");
    world.redis.resume().unwrap();
}
