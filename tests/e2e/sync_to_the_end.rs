//! A full sync that ends, and is loud where it does not: a cursor, strict syncs and schedules, the rest in
//! the queue, failed events sent again.

use crate::answers::message;
use crate::environment::{assert_held, environment, sync};
use crate::objects::{failing, one};
use crate::payloads::identifiers;
use redis_sync_local::{BUCKET, Environment, InvokeError, Queue, event};
use redis_sync_tests::held::held;
use serde_json::{Value, json};
use std::time::Duration;

/// A page of objects that are quickly done, and after it a few that each take half a second to fail.
async fn slow_end(more: &[(&str, &str)]) -> Environment {
    let slow = [
        ("FUEL_LIMIT", "18446744073709551615"),
        ("TIME_LIMIT_MS", "500"),
        ("CONCURRENCY", "1"),
    ];
    let environment = environment(&[&slow, more].concat()).await;
    for number in 0..1000 {
        environment.s3.put(&format!("a/{number:04}"), "quick");
    }
    for number in 0..40 {
        let spins = json!({"do": "spin"}).to_string();
        environment.s3.put(&format!("flags/{number:02}"), spins);
    }
    environment
}

async fn within(
    environment: &Environment,
    request: Value,
    seconds: u64,
) -> Result<Value, InvokeError> {
    let (request, limit) = (json!({ "sync": request }), Duration::from_secs(seconds));
    environment.function.invoke_within(request, limit).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_out_of_time_says_where_it_goes_on_and_goes_on_there() {
    let environment = slow_end(&[]).await;
    let report = within(&environment, json!({}), 14).await.unwrap();
    assert_eq!(report["next"], "a/0999", "{report}");
    assert_eq!(report["status"], "error", "{report}");
    for number in 0..40 {
        environment
            .s3
            .put(&format!("flags/{number:02}"), one(&format!("k{number}")));
    }
    let rest = within(&environment, json!({"after": "a/0999"}), 60)
        .await
        .unwrap();
    assert_eq!(rest["message"], "40 objects: 40 synced", "{rest}");
    assert_eq!(rest.get("next"), None);
    assert_eq!(
        held(&environment.redis).await.as_object().unwrap().len(),
        1040
    );
}

/// Objects that take their time to fail, at the front of the alphabet, do not keep a sync from the rest:
/// what failed before comes last, until it has changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_before_comes_last() {
    let environment = slow_end(&[]).await;
    let keys: Vec<String> = (0..40).map(|number| format!("flags/{number:02}")).collect();
    for keys in keys.chunks(10) {
        let events = keys.iter().map(|key| event::created(BUCKET, key));
        let failed = environment.function.invoke(event::batch(events)).await;
        failed.unwrap_err();
    }
    environment.s3.put("flags/07", one("mended"));
    environment.s3.put("flags/99", one("behind"));
    let report = within(&environment, json!({}), 8).await.unwrap();
    assert_eq!(report["status"], "error", "{report}");
    assert_eq!(report["counts"]["synced"], 1002, "{report}");
    assert_eq!(report.get("next"), None, "{report}");
    let message = report["message"].as_str().unwrap();
    assert!(message.contains("not reached"), "{message}");
    let held = held(&environment.redis).await;
    assert_eq!(
        (&held["mended"], &held["behind"]),
        (&json!("v"), &json!("v"))
    );
}

/// What is gone is removed by the stretch that it lies in, and by no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_leaves_what_comes_before_it_as_it_is() {
    let environment = environment(&[]).await;
    for key in ["a", "b", "c", "d"] {
        environment.upload(key, key).await.unwrap();
    }
    for key in ["a", "c"] {
        environment.s3.delete(key);
    }
    let report = sync(&environment, json!({"after": "b"})).await;
    assert_eq!(report["message"], "2 objects: 1 unchanged, 1 deleted");
    assert_held(&environment, json!({"a": "a", "b": "b", "d": "d"})).await;
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "3 objects: 2 unchanged, 1 deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_and_a_schedule_fail_where_anything_does() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a", failing());
    let quiet = sync(&environment, json!({})).await;
    assert_eq!(quiet["status"], "error");
    let schedule = json!({
        "version": "0", "id": "i", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
        "time": "2026-11-24T00:00:00Z", "region": "eu-west-2", "resources": [], "detail": {},
    });
    let strict = json!({"sync": {"strict": true}});
    for payload in [&strict, &schedule] {
        let said = environment
            .function
            .invoke(payload.clone())
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("SyncIncomplete"), "{said}");
        assert!(
            said.contains("1 object: 1 failed: `flags/a`: plugin"),
            "{said}"
        );
    }
    let counted = environment
        .function
        .wait_for_log("\"SyncCompleted\":0")
        .await;
    assert!(counted.is_ok());
    environment.s3.put("flags/a", one("k"));
    for payload in [&strict, &schedule] {
        let report = environment.function.invoke(payload.clone()).await.unwrap();
        assert_eq!(report["status"], "success", "{report}");
    }
    assert_held(&environment, json!({"k": "v"})).await;
    let counted = environment
        .function
        .wait_for_log("\"SyncCompleted\":1")
        .await;
    assert!(counted.is_ok());
}

/// The rest is a message, which the function itself is given; in the end it is done.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_queue_a_sync_sends_itself_the_rest() {
    let queue = Queue::start().await.unwrap();
    let (url, endpoint) = (queue.url(), queue.endpoint());
    let environment = slow_end(&[
        ("SYNC_QUEUE_URL", url.as_str()),
        ("AWS_ENDPOINT_URL_SQS", endpoint.as_str()),
    ])
    .await;
    let report = within(&environment, json!({}), 14).await.unwrap();
    let said = report["message"].as_str().unwrap();
    assert!(
        said.ends_with(" failed; the rest is in the queue"),
        "{said}"
    );
    for number in 0..40 {
        environment
            .s3
            .put(&format!("flags/{number:02}"), one(&format!("k{number}")));
    }
    let batch = queue.receive(10).unwrap();
    let answer = environment
        .function
        .invoke_within(batch.event(), Duration::from_secs(60))
        .await;
    let answer = answer.unwrap();
    assert_eq!(queue.settle(batch, &answer), 0, "{answer}");
    assert_eq!(
        held(&environment.redis).await.as_object().unwrap().len(),
        1040
    );
    assert!(queue.receive(10).is_none(), "nothing is left to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_destination_keeps_of_a_failed_event_is_sent_again_as_it_is() {
    let environment = environment(&[]).await;
    let kept = |payload: Value| {
        json!({
            "version": "1.0", "timestamp": "2026-11-24T00:00:00.000Z",
            "requestContext": {"requestId": "r", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "responsePayload": {"errorType": "ObjectsFailed", "errorMessage": "1 of 1 object failed"},
        })
    };
    environment.s3.put("flags/a", failing());
    let direct = kept(event::created("config", "flags/a"));
    let failed = message(environment.function.invoke(direct.clone()).await);
    assert!(failed.contains("`flags/a`"), "{failed}");
    let queued = |body: &Value| {
        json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body.to_string(),
            "eventSourceARN": "arn:aws:sqs:eu-west-2:1:redrive"}]})
    };
    let answer = environment.function.invoke(queued(&direct)).await.unwrap();
    assert_eq!(identifiers(&answer), ["m"]);
    environment.s3.put("flags/a", one("k"));
    let answer = environment.function.invoke(queued(&direct)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    environment.s3.put("flags/a", one("l"));
    environment.function.invoke(direct).await.unwrap();
    assert_held(&environment, json!({"l": "v"})).await;
    // A sync that failed as well.
    environment.s3.put("flags/b", one("m"));
    let answer = environment
        .function
        .invoke(queued(&kept(json!({"sync": {"strict": true}}))))
        .await;
    assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
    assert_held(&environment, json!({"l": "v", "m": "v"})).await;
}
