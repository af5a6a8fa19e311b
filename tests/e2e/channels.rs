//! S3, SNS and EventBridge by their real payloads, what is none of any channel, and the exact answers.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, environment};
use crate::objects::{failing, one};
use crate::payloads::{fixture, invoke};
use redis_sync_local::{InvokeError, Operation, event};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_form_encoded() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/red flower+é.json", one("a"));
    let report = invoke(&environment, "s3-put").await;
    let fuel = report["objects"][0]["fuel"].as_u64().unwrap();
    let object = json!({
        "key": "flags/red flower+é.json", "outcome": "synced", "entries": 1,
        "plugin": "flags.wasm", "fuel": fuel, "error": null,
    });
    let expected = json!({"status": "success", "message": "1 object done", "objects": [object]});
    assert_eq!(report, expected);
    assert_held(&environment, json!({"a": "v"})).await;

    environment.s3.delete("flags/red flower+é.json");
    assert_eq!(outcome(&invoke(&environment, "s3-delete").await), "deleted");
    assert_held(&environment, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_of_every_kind_and_newer_event_versions_are_changes() {
    let environment = environment(&[]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    for name in ["s3-multipart-2.6", "sns"] {
        assert_eq!(
            outcome(&invoke(&environment, name).await),
            "unchanged",
            "{name}"
        );
    }
    for name in ["s3-delete-marker", "s3-lifecycle-expiration"] {
        environment.upload("flags/a.json", one("a")).await.unwrap();
        environment.s3.delete("flags/a.json");
        assert_eq!(
            outcome(&invoke(&environment, name).await),
            "deleted",
            "{name}"
        );
        assert_held(&environment, json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_no_content_is_done_at_once() {
    let environment = environment(&[]).await;
    let nothing = json!({"status": "success", "message": "0 objects done", "objects": []});
    for name in [
        "s3-test-event",
        "s3-tagging",
        "s3-restore",
        "eventbridge-tags-added",
        "eventbridge-storage-class-changed",
    ] {
        assert_eq!(invoke(&environment, name).await, nothing, "{name}");
    }
    let empty = environment.function.invoke(json!({"Records": []})).await;
    assert_eq!(empty.unwrap(), nothing);
    let compiled = event::created("config", "compiled/x.cwasm");
    assert_eq!(
        environment.function.invoke(compiled).await.unwrap(),
        nothing
    );
    assert_eq!(environment.s3.count(Operation::GetObject), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eventbridge_key_is_not_encoded() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a+b%20c.json", one("a"));
    let report = invoke(&environment, "eventbridge-created").await;
    assert_eq!(outcome(&report), "synced");
    assert_eq!(report["objects"][0]["key"], "flags/a+b%20c.json");
    environment.s3.delete("flags/a+b%20c.json");
    let report = invoke(&environment, "eventbridge-deleted").await;
    assert_eq!(outcome(&report), "deleted");
    assert_held(&environment, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_notification_is_tried_before_it_fails() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/bad.json", failing());
    environment.s3.put("flags/good.json", one("good"));
    let mut events = event::batch(
        ["flags/bad.json", "flags/good.json"].map(|key| event::created("config", key)),
    );
    let malformed =
        json!({"eventSource": "aws:s3", "s3": {"bucket": {"name": "config"}, "object": {}}});
    events["Records"]
        .as_array_mut()
        .unwrap()
        .insert(0, malformed);
    let why = message(environment.function.invoke(events).await);
    assert!(
        why.contains("malformed S3 notification: missing field `key`"),
        "{why}"
    );
    assert!(
        why.contains("1 of 2 objects failed: `flags/bad.json`:"),
        "{why}"
    );
    assert_held(&environment, json!({"good": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_another_bucket_are_refused_by_its_name() {
    let environment = environment(&[]).await;
    let why = message(
        environment
            .function
            .invoke(fixture("s3-other-bucket"))
            .await,
    );
    assert_eq!(
        why,
        "1 of 1 object failed: `flags/a.json`: the event is of the bucket `another`; this function serves `config`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_payloads_are_refused_with_what_was_expected() {
    let environment = environment(&[]).await;
    let unknown = "unknown payload: expected an S3, SNS, SQS or EventBridge event, an S3 Batch Operations job, or one of {\"read\": KEY}, {\"explain\": KEY}, {\"sync\": {}}, {\"preview\": {\"module\": KEY}}, {\"forget\": {\"bucket\": NAME}}, {\"status\": {}}";
    let table = [
        (json!(null), unknown),
        (json!([1, 2]), unknown),
        (json!("text"), unknown),
        (json!({"hello": "environment"}), unknown),
        (json!({"Records": 7}), unknown),
        (
            json!({"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {}}),
            unknown,
        ),
        (
            json!({"sync": {"dryrun": true}}),
            "malformed operation: unknown field `dryrun`",
        ),
        (
            json!({"read": 7}),
            "malformed operation: `read` is not the name of a Redis key",
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
        let why = message(environment.function.invoke(&payload).await);
        assert!(why.starts_with(expected), "{payload}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_error_of_one_kind_whoever_calls() {
    let environment = environment(&[]).await;
    for (name, key) in [
        ("s3-put", "flags/red flower+é.json"),
        ("sns", "flags/a.json"),
        ("eventbridge-created", "flags/a+b%20c.json"),
    ] {
        environment.s3.put(key, failing());
        let InvokeError::Failed {
            error_type,
            error_message,
        } = environment
            .function
            .invoke(fixture(name))
            .await
            .unwrap_err()
        else {
            panic!("{name} is answered otherwise");
        };
        assert_eq!(error_type, "ObjectsFailed");
        let expected = format!("1 of 1 object failed: `{key}`: plugin `flags.wasm`");
        assert!(error_message.starts_with(&expected), "{error_message}");
    }
    assert_held(&environment, json!({})).await;
}
