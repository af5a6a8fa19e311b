//! The queue of the function's own work: what a full sync hands over to it, and what is never in it.

use crate::environment::{assert_held, sync, with_queue, work_off};
use crate::objects::one;
use crate::out_of_time::{is_stuck, stuck_end, within};
use crate::payloads::identifiers;
use redis_sync_local::{BUCKET, Effect, Fault, Operation, event};
use redis_sync_tests::held::held;
use serde_json::json;
use std::time::Duration;

/// Half of its time a sync does what is due itself. What takes longer goes to the queue, so that it gets to
/// its end; also with force, which the messages pass on.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_queue_a_sync_hands_over_what_takes_long() {
    let (queue, environment) = with_queue().await;
    sync(&environment, json!({})).await;
    stuck_end(&environment);
    let report = within(&environment, json!({"force": true}), 20).await;
    let report = report.unwrap();
    let said = report["message"].as_str().unwrap();
    assert!(said.contains(" queued"), "{said}");
    assert_eq!(
        (&report["status"], report.get("next")),
        (&json!("success"), None)
    );
    environment.s3.clear_faults();
    environment
        .redis
        .command(&["SET", "z/stuck", "meddled"])
        .await
        .unwrap();
    work_off(&environment.function, &queue).await;
    let held = held(&environment.redis).await;
    assert_eq!(held["z/stuck"], "slow");
    assert_eq!(held.as_object().unwrap().len(), 121);
}

/// The messages of a forced sync pass that on.
#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_forced_sync_is_forced() {
    let (queue, environment) = with_queue().await;
    environment.upload("flags/a", one("k")).await.unwrap();
    for (force, expected) in [(false, "meddled"), (true, "v")] {
        environment
            .redis
            .command(&["SET", "k", "meddled"])
            .await
            .unwrap();
        queue.send(json!({"bucket": BUCKET, "keys": ["flags/a"], "force": force}).to_string());
        work_off(&environment.function, &queue).await;
        assert_held(&environment, json!({"k": expected})).await;
    }
}

/// The rest is a message, which the function itself is given; it has what is due done by others.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_queue_a_sync_sends_itself_the_rest() {
    let (queue, environment) = with_queue().await;
    for number in 0..1100 {
        environment.s3.put(&format!("a/{number:04}"), "quick");
    }
    let read = environment.s3.park(Operation::GetObject, "a/0000");
    let syncing = within(&environment, json!({}), 15);
    let second_page = async {
        read.reached().await;
        // A read that is parked for too long is tried again.
        is_stuck(&environment, "a/0000");
        environment.s3.inject(Fault {
            operation: Operation::ListObjectsV2,
            key: Some(String::new()),
            times: None,
            effect: Effect::Delay(Duration::from_secs(120)),
        });
    };
    let (report, ()) = tokio::join!(syncing, second_page);
    let report = report.unwrap();
    let said = report["message"].as_str().unwrap();
    assert!(said.starts_with("1000 objects: "), "{said}");
    assert!(
        said.ends_with(" queued; the rest is in the queue"),
        "{said}"
    );
    assert_eq!(report["status"], "success", "{report}");
    environment.s3.clear_faults();
    drop(read);
    work_off(&environment.function, &queue).await;
    let held = held(&environment.redis).await;
    assert_eq!(held.as_object().unwrap().len(), 1100);
}

/// A failed event in the queue of the function's own work would come back for ever.
#[tokio::test(flavor = "multi_thread")]
async fn failed_events_and_own_work_never_share_a_queue() {
    let (queue, environment) = with_queue().await;
    environment.s3.put("flags/a", one("k"));
    let event = event::created(BUCKET, "flags/a");
    let kept = json!({"requestContext": {}, "requestPayload": event}).to_string();
    queue.send(&kept);
    let batch = queue.receive(1).unwrap();
    let answer = environment.function.invoke(batch.event()).await.unwrap();
    assert_eq!(identifiers(&answer).len(), 1);
    let told = environment
        .function
        .wait_for_log("failed events need a queue of their own")
        .await;
    assert!(told.is_ok());
    let of_another = json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": kept,
        "eventSourceARN": "arn:aws:sqs:eu-west-2:1:redrive"}]});
    let answer = environment.function.invoke(of_another).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_held(&environment, json!({"k": "v"})).await;
}
