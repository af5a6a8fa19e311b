//! What the function needs, and what it does without.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, environment, variables};
use crate::objects::{one, yields};
use redis_sync_local::{BUCKET, Function, INVOCATION_LIMIT, Operation, Redis, S3, event};
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What Lambda gives a function to start.
const INIT_LIMIT: Duration = Duration::from_secs(10);

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
    let lines: Vec<&str> = ended.output.lines().collect();
    let [line] = lines[..] else {
        panic!("{lines:#?}");
    };
    let line: Value = serde_json::from_str(line).unwrap();
    let said = line["message"].as_str().unwrap();
    assert!(said.starts_with("the function cannot run: the environment is not valid: "));
    // And where Lambda's console shows it.
    let told = ended.init_error.unwrap();
    let told = told["errorMessage"].as_str().unwrap();
    assert!(said.ends_with(told), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_would_wait_for_is_done_before_there_is_one() {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    guest::upload(&s3);
    let function = Function::start(program::bootstrap(), variables(&s3, &redis))
        .await
        .unwrap();
    function.ready().await.unwrap();
    let logged = function.logs();
    assert!(
        logged
            .iter()
            .any(|line| line.contains("module loaded") && line.contains("COMPILED_DIR")),
        "{logged:#?}"
    );
    let statistics = redis.command(&["INFO", "commandstats"]).await.unwrap();
    assert!(statistics.contains("cmdstat_ping:"), "{statistics}");
    s3.put("flags/a", one("k"));
    let report = function
        .invoke(event::created(BUCKET, "flags/a"))
        .await
        .unwrap();
    assert_eq!(outcome(&report), "synced");
    let loaded = function
        .logs()
        .iter()
        .filter(|line| line.contains("module loaded"))
        .count();
    assert_eq!(loaded, 1, "and not again");
    // What is counted before the first invocation is told with it.
    function.wait_for_log("\"CompiledHits\":1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_redis_and_s3_is_soon_over_told_and_made_good() {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    guest::upload(&s3);
    redis.kill().await;
    s3.fail(Operation::ListObjectsV2, 3, 503);
    let started = Instant::now();
    let function = Function::start(program::bootstrap(), variables(&s3, &redis))
        .await
        .unwrap();
    function.ready().await.unwrap();
    let took = started.elapsed();
    assert!(took < INIT_LIMIT, "{took:?}");
    let told = function.logs();
    let told = told
        .iter()
        .filter(|line| line.contains("not ready before the first event"));
    assert_eq!(told.count(), 2);
    redis.restart().await.unwrap();
    s3.put("flags/a", one("k"));
    let report = function
        .invoke(event::created(BUCKET, "flags/a"))
        .await
        .unwrap();
    assert_eq!(outcome(&report), "synced");
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
    // Well before its deadline.
    let took = started.elapsed();
    assert!(took < INVOCATION_LIMIT * 2 / 3, "{took:?}");

    environment.redis.restart().await.unwrap();
    let report = environment
        .upload("flags/x.json", yields(&json!({"k": {"bytes": "v"}})))
        .await
        .unwrap();
    assert_eq!(outcome(&report), "synced");
    assert_held(&environment, json!({"k": "v"})).await;
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
