//! Compiled modules outlive the function, and none is used that a host with the key did not make.

use redis_sync_local::{BUCKET, Effect, Environment, Fault, Function, Operation, event};
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, program};
use serde_json::json;
use std::time::Duration;

/// The secret of a function.
const KEY: (&str, &str) = ("COMPILED_CACHE_KEY", "0123456789abcdef0123456789abcdef");

/// The secret of another.
const FOREIGN: (&str, &str) = ("COMPILED_CACHE_KEY", "fedcba9876543210fedcba9876543210");

/// What is logged where an artifact is not used.
const REFUSED: &str = "a compiled module is not used, it is compiled afresh";

async fn start(key: (&'static str, &'static str)) -> Environment {
    let environment = Environment::start_with(program::bootstrap(), [key])
        .await
        .unwrap();
    let module = guest::scripted();
    environment.s3.put("plugins/p.wasm", module);
    environment
}

/// Syncs the object `p/NAME` and returns where its plugin came from.
async fn sync(environment: &Environment, function: &Function, name: &str) -> String {
    let (key, entries) = (format!("p/{name}"), json!({name: {"bytes": "here"}}));
    let object = json!({"do": "yield", "entries": entries});
    environment.s3.put(&key, object.to_string());
    function.invoke(event::created(BUCKET, &key)).await.unwrap();
    assert_eq!(held(&environment.redis).await[name], "here");
    place(&function.logs())
}

fn place(logs: &[String]) -> String {
    let loaded = |line: &serde_json::Value| line["message"] == "module loaded";
    let mut lines = logs
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    let line = lines.find(loaded).unwrap();
    line["place"].as_str().unwrap().to_owned()
}

fn refusals(function: &Function) -> usize {
    function
        .logs()
        .iter()
        .filter(|line| line.contains(REFUSED))
        .count()
}

/// Asserts that an artifact was refused, told and counted: when the function started, where that was in
/// time, and for the event.
async fn assert_refused(function: &Function, name: &str) {
    function.wait_for_log("\"Duration\"").await.unwrap();
    let lines = function.logs();
    let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let counted: u64 = lines
        .filter_map(|line: serde_json::Value| line["CompiledRefused"].as_u64())
        .sum();
    let told = refusals(function);
    assert!((1..=2).contains(&told), "{name}: {told}");
    assert_eq!(counted, u64::try_from(told).unwrap(), "{name}");
}

/// The one artifact in the bucket.
fn artifact(environment: &Environment) -> (String, Vec<u8>) {
    let keys = environment.s3.keys();
    let kept: Vec<&String> = keys
        .iter()
        .filter(|key| key.starts_with("compiled/"))
        .collect();
    assert_eq!(kept.len(), 1, "{keys:?}");
    let object = environment.s3.get(kept[0]).unwrap();
    (kept[0].clone(), object.body.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_function_finds_what_the_first_one_compiled() {
    let environment = start(KEY).await;
    assert_eq!(
        sync(&environment, &environment.function, "first").await,
        "compiled"
    );
    let (key, _) = artifact(&environment);

    let next = environment.another_function().await.unwrap();
    assert_eq!(sync(&environment, &next, "second").await, "COMPILED_PREFIX");
    assert_eq!(environment.s3.count_of(Operation::PutObject, &key), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_does_not_verify_is_never_used_and_is_replaced() {
    let environment = start(KEY).await;
    sync(&environment, &environment.function, "first").await;
    let (key, good) = artifact(&environment);
    let foreign = foreign_artifact().await;
    let other = artifact_of_another_module(&environment, &key).await;

    let mut corrupt = good.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 1;
    let unsealed = good[40..].to_vec();
    let cases = [
        ("corrupt", corrupt),
        ("truncated", good[..middle].to_vec()),
        ("empty", Vec::new()),
        ("unsealed", unsealed),
        ("foreign", foreign),
        ("swapped", other),
    ];
    for (name, bytes) in cases {
        environment.s3.put(&key, &bytes);
        let function = environment.another_function().await.unwrap();
        assert_eq!(
            sync(&environment, &function, name).await,
            "compiled",
            "{name}"
        );
        assert_refused(&function, name).await;
        let (_, replaced) = artifact(&environment);
        assert!(replaced != bytes, "{name} is still there");
    }
    let function = environment.another_function().await.unwrap();
    assert_eq!(
        sync(&environment, &function, "last").await,
        "COMPILED_PREFIX"
    );
}

/// Its size is looked at before a byte of it is read: no module of 200 KB has that much machine code.
#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_too_large_for_its_module_is_not_read() {
    let environment = start(KEY).await;
    sync(&environment, &environment.function, "first").await;
    let (key, good) = artifact(&environment);
    environment.s3.put(&key, vec![0_u8; 240 << 20]);
    let function = environment.another_function().await.unwrap();
    assert_eq!(sync(&environment, &function, "second").await, "compiled");
    assert_refused(&function, "too large").await;
    let peak = function.peak_memory_mib().unwrap();
    assert!(peak < 200, "{peak} MiB");
    assert_eq!(artifact(&environment).1.len(), good.len(), "it is replaced");
}

/// What a function with another key makes of the same module.
async fn foreign_artifact() -> Vec<u8> {
    let environment = start(FOREIGN).await;
    sync(&environment, &environment.function, "x").await;
    artifact(&environment).1
}

/// An artifact of another module, which the same function sealed: what the name of the plugin held
/// before it was replaced. It is taken away again.
async fn artifact_of_another_module(environment: &Environment, key: &str) -> Vec<u8> {
    environment
        .s3
        .put("plugins/q.wasm", guest::scripted_variant("old:"));
    environment
        .s3
        .put("q/x", json!({"do": "yield", "entries": {}}).to_string());
    let uploaded = event::created(BUCKET, "q/x");
    environment.function.invoke(uploaded).await.unwrap();
    let keys = environment.s3.keys();
    let other = keys
        .iter()
        .find(|name| name.starts_with("compiled/") && *name != key)
        .unwrap();
    let bytes = environment.s3.get(other).unwrap().body.to_vec();
    environment.s3.delete(other);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn many_functions_fill_the_cache_at_once() {
    let environment = start(KEY).await;
    let another = || environment.another_function();
    let (a, b, c) = tokio::try_join!(another(), another(), another()).unwrap();
    let places = tokio::join!(
        sync(&environment, &a, "a"),
        sync(&environment, &b, "b"),
        sync(&environment, &c, "c"),
    );
    for place in [places.0, places.1, places.2] {
        assert!(place == "compiled" || place == "COMPILED_PREFIX", "{place}");
    }
    let next = environment.another_function().await.unwrap();
    assert_eq!(sync(&environment, &next, "next").await, "COMPILED_PREFIX");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_cannot_be_written_fails_nothing() {
    let environment = start(KEY).await;
    environment.s3.fail(Operation::PutObject, 100, 403);
    assert_eq!(
        sync(&environment, &environment.function, "x").await,
        "compiled"
    );
    assert_eq!(not_kept(&environment.function), 1);
}

/// Nor does a permission that is missing come back with the next object, or another module.
#[tokio::test(flavor = "multi_thread")]
async fn where_s3_lets_nothing_be_kept_it_is_asked_once() {
    let environment = start(KEY).await;
    environment.s3.fail(Operation::PutObject, 100, 403);
    sync(&environment, &environment.function, "x").await;
    sync(&environment, &environment.function, "y").await;
    let variant = guest::scripted_variant("alt:");
    environment.s3.put("plugins/q.wasm", variant);
    let object = json!({"do": "yield", "entries": {}}).to_string();
    environment.upload("q/x", object).await.unwrap();
    assert_eq!(environment.s3.count(Operation::PutObject), 1);
    assert_eq!(not_kept(&environment.function), 1);
}

/// A sync has two seconds for what it looks at beforehand.
#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_nobody_waits_for_any_more_is_there_in_the_end() {
    let environment = start(KEY).await;
    environment.s3.fail(Operation::PutObject, 100, 500);
    sync(&environment, &environment.function, "x").await;
    environment.s3.clear_faults();
    environment.s3.inject(Fault {
        operation: Operation::PutObject,
        key: None,
        times: None,
        effect: Effect::Delay(Duration::from_secs(4)),
    });
    let function = &environment.function;
    function.invoke(json!({"sync": {}})).await.unwrap();
    function
        .wait_for_log("\"compiled module kept\"")
        .await
        .unwrap();
    artifact(&environment);
}

fn not_kept(function: &Function) -> usize {
    let logs = function.logs();
    let told = |line: &&String| line.contains("compiled module not kept");
    logs.iter().filter(told).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_compiled_into_the_deployment_is_mapped() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    std::fs::create_dir_all(&folder).unwrap();
    redis_sync::plugin::precompile(&guest::scripted(), &folder).unwrap();
    let variables = [("COMPILED_DIR", folder.display().to_string())];
    let environment = Environment::start_with(program::bootstrap(), variables)
        .await
        .unwrap();
    environment.s3.put("plugins/p.wasm", guest::scripted());
    assert_eq!(
        sync(&environment, &environment.function, "x").await,
        "COMPILED_DIR"
    );
    assert!(
        environment
            .s3
            .keys()
            .iter()
            .all(|key| !key.starts_with("compiled/"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_key_is_a_problem_at_the_start() {
    let variables = [("COMPILED_CACHE_KEY", "short-secret")];
    let environment = Environment::start_with(program::bootstrap(), variables)
        .await
        .unwrap();
    let ended = environment.function.wait_exit().await.unwrap();
    assert!(
        ended
            .output
            .contains("COMPILED_CACHE_KEY is shorter than 32 bytes")
    );
    assert!(!ended.output.contains("short-secret"));
}
