//! The queue of the function's own work: what a full sync hands over to it, and what is never in it.

use crate::environment::{assert_held, sync, with_queue, work_off};
use crate::objects::{failing, one, texts};
use crate::out_of_time::{is_stuck, stuck_end, within};
use crate::payloads::identifiers;
use redis_sync_local::{BUCKET, Effect, Environment, Fault, Operation, event};
use redis_sync_tests::compiled;
use redis_sync_tests::held::held;
use serde_json::json;
use std::time::{Duration, Instant};

/// Half of its time a sync does what is due itself. What takes longer goes to the queue, so that it gets to
/// its end; also with force, which the messages pass on.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_queue_a_sync_hands_over_what_takes_long() {
    let (queue, environment) = with_queue().await;
    stuck_end(&environment);
    environment.s3.clear_faults();
    sync(&environment, json!({})).await;
    is_stuck(&environment, "z/stuck");
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

/// Also the first one, when nothing is recorded yet: what it hands over it does not do as well, whether it has
/// begun with it or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_hands_over_each_object_once_and_ends_soon_after_half_of_its_time() {
    let (queue, environment) = with_queue().await;
    let key = |number: usize| format!("a/{number:04}");
    for number in 0..1100 {
        environment.s3.put(&key(number), "quick");
    }
    is_stuck(&environment, "a/0000");
    let started = Instant::now();
    let report = within(&environment, json!({}), 20).await.unwrap();
    let took = started.elapsed();
    // Before S3's client gives up on what is stuck, and its time ends before that of the invocation.
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(
        (&report["status"], report.get("next")),
        (&json!("success"), None),
        "{report}"
    );
    let synced = report["counts"]["synced"].as_u64().unwrap();
    let queued = 1100 - synced;
    let said = format!("1100 objects: {synced} synced, {queued} queued");
    assert_eq!(report["message"], said);
    // What is left of the first page, 25 a message, and all of the second: none to go on.
    assert_eq!(queue.sent(), (queued - 100).div_ceil(25) + 4);
    let reads = |number| environment.s3.count_of(Operation::GetObject, &key(number));
    assert!((1..1100).all(|number| reads(number) <= 1));
    assert!((1000..1100).all(|number| reads(number) == 0));
    environment.s3.clear_faults();
    work_off(&environment.function, &queue).await;
    let held = held(&environment.redis).await;
    assert_eq!(held.as_object().unwrap().len(), 1100);
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

/// The second page of the listing does not come in time.
fn second_page_is_late(environment: &Environment) {
    for (times, delay) in [(Some(1), 0), (None, 120)] {
        environment.s3.inject(Fault {
            operation: Operation::ListObjectsV2,
            key: Some(String::new()),
            times,
            effect: Effect::Delay(Duration::from_secs(delay)),
        });
    }
}

/// The rest is a message, which the function itself is given; it has what is due done by others.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_queue_a_sync_sends_itself_the_rest() {
    let (queue, environment) = with_queue().await;
    for number in 0..1100 {
        environment.s3.put(&format!("a/{number:04}"), "quick");
    }
    is_stuck(&environment, "a/0000");
    second_page_is_late(&environment);
    let report = within(&environment, json!({}), 15).await.unwrap();
    let said = report["message"].as_str().unwrap();
    assert!(said.starts_with("1000 objects: "), "{said}");
    assert!(
        said.ends_with(" queued; the rest is in the queue"),
        "{said}"
    );
    assert_eq!(report["status"], "success", "{report}");
    environment.s3.clear_faults();
    work_off(&environment.function, &queue).await;
    let held = held(&environment.redis).await;
    assert_eq!(held.as_object().unwrap().len(), 1100);
}

/// A message that comes back would send the rest again each time. What has failed fails its last part, which sends
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_has_sent_itself_the_rest_is_not_repeated_for_what_has_failed() {
    let (queue, environment) = with_queue().await;
    environment.s3.put("plugins/0.wasm", compiled::variant("Z"));
    environment.s3.put("0/fails", failing());
    for number in 0..1100 {
        environment.s3.put(&format!("a/{number:04}"), "quick");
    }
    second_page_is_late(&environment);
    queue.send(json!({"sync": {"strict": true}}).to_string());
    let batch = queue.receive(1).unwrap();
    let function = &environment.function;
    let limit = Duration::from_secs(15);
    let answer = function.invoke_within(batch.event(), limit).await.unwrap();
    assert_eq!(queue.settle(batch, &answer), 0, "{answer}");
    environment.s3.clear_faults();
    let mut failures = 0;
    while failures < 2 {
        let batch = queue.receive(1).unwrap();
        let answer = function.invoke_within(batch.event(), limit).await.unwrap();
        failures += queue.settle(batch, &answer);
    }
    let told = function.wait_for_log("1 failed up to `a/0998`").await;
    told.unwrap();
    let held = held(&environment.redis).await;
    assert_eq!(held.as_object().unwrap().len(), 1100);
}

/// A delivery of the event once more would begin at the front, and never get behind what one invocation gets through.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_plugin_sends_the_rest_of_what_it_affects() {
    let (queue, environment) = with_queue().await;
    for number in 0..1100 {
        environment.s3.put(&format!("a/{number:04}"), "quick");
    }
    second_page_is_late(&environment);
    let event = event::removed(BUCKET, "plugins/routes.toml");
    let limit = Duration::from_secs(15);
    let report = environment.function.invoke_within(event, limit).await;
    assert_eq!(report.unwrap()["status"], "success");
    environment.s3.clear_faults();
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

/// What it takes as its share of an invocation, the work in the same batch does not have.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_leaves_time_to_the_work_that_comes_with_it() {
    let (queue, environment) = with_queue().await;
    environment.s3.put("flags/a", one("k"));
    environment.s3.inject(Fault {
        operation: Operation::ListObjectsV2,
        key: Some(String::new()),
        times: None,
        effect: Effect::Delay(Duration::from_secs(120)),
    });
    queue.send(json!({"sync": {}}).to_string());
    queue.send(json!({"bucket": BUCKET, "keys": ["flags/a"]}).to_string());
    let batch = queue.receive(10).unwrap();
    let event = batch.event();
    let limit = Duration::from_secs(12);
    let answer = environment.function.invoke_within(&event, limit).await;
    let sync = &event["Records"][0]["messageId"];
    assert_eq!(identifiers(&answer.unwrap()), [sync.as_str().unwrap()]);
    assert_held(&environment, json!({"k": "v"})).await;
}

/// SQS refuses two characters that a key may have, and JSON need not escape; and more than 256 KiB at a time.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_keys_are_they_fit_into_messages() {
    let (queue, environment) = with_queue().await;
    let keys = (0..250).map(|number| format!("flags/{number:03}{}", "\u{1f}".repeat(1000)));
    let odd = ["flags/\u{fffe}", "flags/\u{ffff}"].map(str::to_owned);
    let keys: Vec<String> = keys.chain(odd).collect();
    for key in &keys {
        environment.s3.put(key, texts(&[(&key[..9], "v")]));
    }
    // A changed plugin has all of it done by others.
    let changed = event::created(BUCKET, "plugins/flags.wasm");
    environment.function.invoke(changed).await.unwrap();
    assert_eq!(queue.sent(), 11);
    work_off(&environment.function, &queue).await;
    let held = held(&environment.redis).await;
    assert_eq!(held.as_object().unwrap().len(), keys.len());
}
