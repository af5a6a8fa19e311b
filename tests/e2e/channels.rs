//! S3, SNS and EventBridge by their real payloads, what is none of any channel, and the exact answers.

use crate::payloads::{failing, fixture, invoke};
use crate::world::{assert_held, message, one, outcome, world};
use redis_sync_local::{InvokeError, Operation, event};
use serde_json::json;

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
async fn events_of_another_bucket_are_refused_by_its_name() {
    let world = world().await;
    let why = message(world.function.invoke(fixture("s3-other-bucket")).await);
    assert_eq!(
        why,
        "1 of 1 object failed: `flags/a.json`: the event is of the bucket `another`; this function serves `config`"
    );
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
async fn a_failure_is_an_error_of_one_kind_whoever_calls() {
    let world = world().await;
    for (name, key) in [
        ("s3-put", "flags/red flower+é.json"),
        ("sns", "flags/a.json"),
        ("eventbridge-created", "flags/a+b%20c.json"),
    ] {
        world.s3.put(key, failing());
        let InvokeError::Failed {
            error_type,
            error_message,
        } = world.function.invoke(fixture(name)).await.unwrap_err()
        else {
            panic!("{name} is answered otherwise");
        };
        assert_eq!(error_type, "ObjectsFailed");
        let expected = format!("1 of 1 object failed: `{key}`: plugin `flags.wasm`");
        assert!(error_message.starts_with(&expected), "{error_message}");
    }
    assert_held(&world, json!({})).await;
}
