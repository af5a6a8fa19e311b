//! A failed object of the function, fetched and run again here.

use crate::typed::{expect, typed};
use redis_sync_local::{BUCKET, Environment, variables};
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// The fuel that the function's log has for an object.
fn fuel(environment: &Environment, key: &str) -> u64 {
    let lines = environment.function.logs();
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_object = lines.filter(|line| line["object"] == key);
    of_object
        .filter_map(|line| line["fuel"].as_u64())
        .next_back()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_captured_in_the_function_replays_here_with_the_same_fuel() {
    let environment = Environment::start(program::bootstrap()).await.unwrap();
    let s3 = &environment.s3;
    s3.enable_versioning();
    guest::upload(s3);
    let failing = json!({"do": "fail", "message": "no such flag"}).to_string();
    let told = environment
        .upload("flags/a.json", &failing)
        .await
        .unwrap_err()
        .to_string();
    environment
        .function
        .wait_for_log("no such flag")
        .await
        .unwrap();

    // Object and plugin have changed since.
    s3.set_clock(Some(SystemTime::now() + Duration::from_secs(10)));
    s3.put("flags/a.json", json!({"do": "log", "lines": 1}).to_string());
    s3.put("plugins/flags.wasm", guest::module("command"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("case").display().to_string();
    let variables = variables(s3, &environment.redis);
    let words = ["case", "flags/a.json", "--out", &out];
    expect(
        &words,
        &variables,
        0,
        &["it fails as it did", "no such flag"],
    )
    .await;
    let (status, said) = typed(&["run", "--json", "--replay", &out], &[]).await;
    let replayed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &replayed["replayed_identically"]),
        (0, &json!(true))
    );
    assert_eq!(replayed["fuel"], fuel(&environment, "flags/a.json"));
    assert!(told.contains(replayed["error"].as_str().unwrap()), "{told}");

    expect(&words, &variables, 3, &["has a case already"]).await;
    expect(
        &["case", "flags/nothing"],
        &variables,
        3,
        &["there is no object `flags/nothing`"],
    )
    .await;
    assert_eq!(environment.s3.bucket(), BUCKET);
}
