//! Events that failed, and come back.

use crate::typed::{expect, invoking};
use redis_sync_local::{BUCKET, Queue, Redis, S3, event, variables};
use redis_sync_tests::guest;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn failed_events_are_handled_and_what_fails_again_stays() {
    let (s3, redis, queue) =
        tokio::try_join!(S3::start(BUCKET), Redis::start(), Queue::start()).unwrap();
    guest::upload(&s3);
    let one = |key: &str| json!({"do": "yield", "entries": {key: {"bytes": "v"}}}).to_string();
    s3.put("flags/a", one("a"));
    s3.put("flags/b", one("b"));
    s3.put("flags/bad", "no JSON");
    let created = |key: &str| event::created(BUCKET, key).to_string();
    let envelope = json!({
        "version": "1.0", "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": event::created(BUCKET, "flags/a"),
    });
    for message in [
        envelope.to_string(),
        created("flags/b"),
        created("flags/bad"),
        "hello".to_owned(),
    ] {
        queue.send(message);
    }
    let mut variables = variables(&s3, &redis);
    variables.push(("AWS_ENDPOINT_URL_SQS".into(), queue.endpoint()));
    let url = queue.url();
    let words = ["redrive", "--queue", &url];
    let kinds = "4 messages: 2 events, 1 failed invocations, 1 not understood";
    expect(
        &[&words[..], &["--dry-run"]].concat(),
        &variables,
        0,
        &[kinds],
    )
    .await;
    assert_eq!(
        (
            queue.waiting(),
            redis.command(&["DBSIZE"]).await.unwrap().as_str()
        ),
        (4, "0")
    );

    expect(
        &words,
        &variables,
        1,
        &[kinds, "2 handled and deleted, 2 failed again and stay"],
    )
    .await;
    assert_eq!(redis.command(&["MGET", "a", "b"]).await.unwrap(), "v\nv");
    assert_eq!((queue.waiting(), queue.len()), (2, 2));

    s3.put("flags/bad", one("c"));
    expect(
        &words,
        &variables,
        1,
        &["1 handled and deleted, 1 failed again"],
    )
    .await;
    assert_eq!(queue.len(), 1);
    assert!(queue.receive(10).is_some());
    expect(&words, &variables, 0, &["✓ 0 messages"]).await;
}

/// Some other function, say, which answers whatever it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_where_the_answer_does_not_say_what_was_handled() {
    let queue = Queue::start().await.unwrap();
    queue.send(event::created(BUCKET, "flags/a").to_string());
    let lambda = invoking(async |_| Ok(json!({"statusCode": 200}))).await;
    let variables = [
        ("AWS_ENDPOINT_URL_SQS".to_owned(), queue.endpoint()),
        ("AWS_ENDPOINT_URL_LAMBDA".to_owned(), lambda),
    ];
    let url = queue.url();
    let words = ["redrive", "--queue", &url, "--function", "other"];
    let said = ["does not say which messages it has handled", "next: "];
    expect(&words, &variables, 3, &said).await;
    assert_eq!(queue.waiting(), 1);
}
