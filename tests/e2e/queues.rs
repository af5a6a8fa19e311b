//! SQS: which messages of a batch are to be delivered again.

use crate::answers::message;
use crate::environment::{assert_held, environment};
use crate::objects::{failing, one};
use crate::payloads::{fixture, identifiers, invoke, queued};
use redis_sync_local::{Operation, event};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn an_sqs_batch_of_all_forms_names_exactly_what_failed() {
    let environment = environment(&[]).await;
    for name in ["s3", "sns", "bridge"] {
        environment.s3.put(&format!("flags/{name}.json"), one(name));
    }
    environment.s3.put("flags/failing.json", failing());
    let answer = invoke(&environment, "sqs").await;
    // A body that breaks off, an object whose plugin fails, an event of another bucket.
    let failed = [5, 6, 7].map(|number| format!("059f36b4-87a3-44ab-83d2-66197595{number:04}"));
    assert_eq!(identifiers(&answer), failed);
    assert_held(&environment, json!({"s3": "v", "sns": "v", "bridge": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqs_batch_succeeds_or_fails_as_a_whole() {
    let environment = environment(&[]).await;
    let keys = ["flags/a.json", "flags/b.json"].map(str::to_owned);
    for key in &keys {
        environment.s3.put(key, one(key));
    }
    environment.s3.fail(Operation::ListObjectsV2, 3, 503);
    let answer = environment.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(identifiers(&answer), ["0", "1"]);
    assert_held(&environment, json!({})).await;
    let answer = environment.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_held(
        &environment,
        json!({"flags/a.json": "v", "flags/b.json": "v"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_batch_stops_at_its_first_failure() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/first.json", one("first"));
    environment.s3.put("flags/failing.json", failing());
    environment.s3.put("flags/third.json", one("third"));
    let answer = invoke(&environment, "sqs-fifo").await;
    let failed = [2, 3].map(|number| format!("059f36b4-87a3-44ab-83d2-66197595{number:04}"));
    assert_eq!(identifiers(&answer), failed);
    assert_held(&environment, json!({"first": "v"})).await;
    assert_eq!(
        environment
            .s3
            .count_of(Operation::GetObject, "flags/third.json"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_of_one_key_need_one_read() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a.json", one("a"));
    let keys = vec!["flags/a.json".to_owned(); 50];
    let answer = environment.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(
        environment
            .s3
            .count_of(Operation::GetObject, "flags/a.json"),
        1
    );
    environment.s3.put("flags/a.json", failing());
    let answer = environment.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(identifiers(&answer).len(), 50);
    assert_eq!(
        environment
            .s3
            .count_of(Operation::GetObject, "flags/a.json"),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_messages_exactly_the_ten_that_failed_are_named() {
    let environment = environment(&[]).await;
    let keys: Vec<String> = (0..1000)
        .map(|number| format!("flags/{number}.json"))
        .collect();
    let mut expected = serde_json::Map::new();
    for (number, key) in keys.iter().enumerate() {
        if number % 100 == 42 {
            environment.s3.put(key, failing());
        } else {
            environment.s3.put(key, one(key));
            expected.insert(key.clone(), json!("v"));
        }
    }
    let answer = environment.function.invoke(queued(&keys)).await.unwrap();
    let failed: Vec<String> = (0..10)
        .map(|hundred| format!("{}", hundred * 100 + 42))
        .collect();
    assert_eq!(identifiers(&answer), failed);
    assert_held(&environment, expected.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named_before_the_deadline() {
    let environment = environment(&[("CONCURRENCY", "1")]).await;
    let keys: Vec<String> = (0..8)
        .map(|number| format!("flags/{number}.json"))
        .collect();
    for key in &keys {
        environment.s3.put(key, one(key));
    }
    // Compiling the plugin is not what this is about.
    let warm = event::created("config", "flags/7.json");
    environment.function.invoke(warm).await.unwrap();
    let parked = environment.s3.park(Operation::GetObject, "flags/3.json");
    let limit = Duration::from_secs(3);
    let started = Instant::now();
    let answer = environment
        .function
        .invoke_within(queued(&keys), limit)
        .await
        .unwrap();
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    // The fourth was at it when time was up, the others had not begun.
    assert_eq!(identifiers(&answer), ["3", "4", "5", "6", "7"]);
    drop(parked);

    let parked = environment.s3.park(Operation::GetObject, "flags/5.json");
    let events = event::batch(keys[4..7].iter().map(|key| event::created("config", key)));
    let why = message(environment.function.invoke_within(events, limit).await);
    let expected = "2 of 3 objects failed: `flags/5.json`: not finished: the invocation's time is nearly over; `flags/6.json`: not started: the invocation's time is nearly over";
    assert_eq!(why, expected);
    drop(parked);
    let answer = environment.function.invoke(queued(&keys)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_holds_also_where_s3_and_redis_do_not_answer() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a.json", one("a"));
    let keys = ["flags/a.json".to_owned()];
    let limit = Duration::from_secs(2);
    let deliver = async || {
        let answer = environment
            .function
            .invoke_within(queued(&keys), limit)
            .await;
        identifiers(&answer.unwrap())
    };
    let parked = environment.s3.park(Operation::ListObjectsV2, "plugins/");
    assert_eq!(deliver().await, ["0"]);
    drop(parked);
    environment.redis.pause().unwrap();
    assert_eq!(deliver().await, ["0"]);
    let why = message(
        environment
            .function
            .invoke_within(json!({"read": "a"}), limit)
            .await,
    );
    assert_eq!(why, "not finished: the invocation's time is nearly over");
    environment.redis.resume().unwrap();
}

/// Messages of what need not be an S3 notification, whose identifiers are `0`, `1`, …
fn bodies(bodies: &[String]) -> Value {
    let keys = vec!["flags/a.json".to_owned(); bodies.len()];
    let mut batch = queued(&keys);
    for (place, body) in bodies.iter().enumerate() {
        batch["Records"][place]["body"] = json!(body);
    }
    batch
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_fails_no_other() {
    let environment = environment(&[]).await;
    for key in ["flags/a.json", "flags/b.json"] {
        environment.s3.put(key, one(key));
    }
    environment.s3.put("flags/failing.json", failing());
    let event = |key: &str| event::created("config", key);
    let encoded = |key: &str| {
        let mut event = event("");
        event["Records"][0]["s3"]["object"]["key"] = json!(key);
        event.to_string()
    };
    let batch = bodies(&[
        event("flags/a.json").to_string(),
        encoded("flags/%FF.json"),
        encoded(""),
        String::new(),
        json!({"hello": "environment"}).to_string(),
        // One of its two objects fails: it comes again, with both.
        event::batch([event("flags/failing.json"), event("flags/b.json")]).to_string(),
        json!({"Records": []}).to_string(),
    ]);
    let answer = environment.function.invoke(batch).await.unwrap();
    assert_eq!(identifiers(&answer), ["1", "2", "3", "4", "5"]);
    assert_held(
        &environment,
        json!({"flags/a.json": "v", "flags/b.json": "v"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_batch_whose_first_message_cannot_be_read_comes_again_whole() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/third.json", one("third"));
    let mut batch = fixture("sqs-fifo");
    batch["Records"][0]["body"] = json!("{");
    let answer = environment.function.invoke(batch).await.unwrap();
    assert_eq!(identifiers(&answer).len(), 3);
    assert_held(&environment, json!({})).await;
}
