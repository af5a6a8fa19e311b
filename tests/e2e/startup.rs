//! What the function needs, and what it does without.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, environment};
use crate::objects::yields;
use redis_sync_local::Function;
use redis_sync_tests::program;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_the_environment_is_reported_at_once() {
    let variables = [
        ("REDIS_PORT", "eighty"),
        ("FUEL_LIMIT", "-1"),
        ("UNMATCHED", "drop"),
        ("REDIS_PASSWORD", "hunter2"),
    ];
    let function = Function::start(program::bootstrap(), variables)
        .await
        .unwrap();
    let ended = function.wait_exit().await.unwrap();
    assert!(!ended.status.success());
    for problem in [
        "CONFIG_BUCKET_NAME is missing",
        "REDIS_HOST is missing",
        "REDIS_PORT is `eighty`, not a whole number from 1 to 65535",
        "FUEL_LIMIT is `-1`, not a whole number",
        "UNMATCHED is `drop`, not one of: store, skip",
    ] {
        assert!(
            ended.output.contains(problem),
            "{problem} in {}",
            ended.output
        );
    }
    assert!(!ended.output.contains("hunter2"), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_down_is_an_error_soon_and_works_when_it_is_back() {
    let environment = environment(&[]).await;
    environment.redis.kill().await;
    let started = Instant::now();
    let failed = message(
        environment
            .upload("flags/x.json", yields(&json!({"k": {"bytes": "v"}})))
            .await,
    );
    assert!(
        failed.contains("Redis at 127.0.0.1:") && failed.contains("is not available"),
        "{failed}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );

    environment.redis.restart().await.unwrap();
    let report = environment
        .upload("flags/x.json", yields(&json!({"k": {"bytes": "v"}})))
        .await
        .unwrap();
    assert_eq!(outcome(&report), "synced");
    assert_held(&environment, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_is_not_known_is_refused_with_what_was_expected() {
    let environment = environment(&[]).await;
    let failed = message(environment.function.invoke(json!({"hello": "world"})).await);
    assert!(
        failed.contains("expected an S3, SNS, SQS or EventBridge event"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_content_nor_secrets_reach_the_log() {
    let environment = environment(&[("RUST_LOG", "trace")]).await;
    environment
        .upload(
            "flags/x.json",
            yields(&json!({"visible-key": {"bytes": "the-secret-value"}})),
        )
        .await
        .unwrap();
    message(
        environment
            .upload("flags/y.json", "{\"do\": \"the-secret-value\"}")
            .await,
    );
    let logs = environment.function.logs();
    assert!(
        logs.iter()
            .any(|line| line.contains("\"target\":\"redis_sync"))
    );
    let leaks: Vec<_> = logs
        .iter()
        .filter(|line| line.contains("the-secret-value"))
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_key_is_read_back_in_the_documents_form() {
    let environment = environment(&[("REDIS_KEY_PREFIX", "app:")]).await;
    let object = yields(&json!({"h": {"hash": {"f": "v"}}, "z": {"sorted_set": [["m", 1.5]]}}));
    environment.upload("flags/x.json", object).await.unwrap();
    assert_eq!(
        environment
            .function
            .invoke(json!({"read": "h"}))
            .await
            .unwrap(),
        json!({"f": "v"})
    );
    assert_eq!(
        environment
            .function
            .invoke(json!({"read": "z"}))
            .await
            .unwrap(),
        json!([["m", 1.5]])
    );
    assert_eq!(
        environment
            .function
            .invoke(json!({"read": "absent"}))
            .await
            .unwrap(),
        json!(null)
    );
    assert_held(
        &environment,
        json!({"app:h": {"f": "v"}, "app:z": {"scores": {"m": 1.5}}}),
    )
    .await;
    let explanation = environment
        .function
        .invoke(json!({"explain": "h"}))
        .await
        .unwrap();
    assert_eq!(explanation["object"], "config/flags/x.json");
    assert_eq!(explanation["plugins"][0]["name"], "flags.wasm");
}
