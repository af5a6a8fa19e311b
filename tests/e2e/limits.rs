//! What a plugin does wrong fails its object, leaves the old entries and stops nobody else.

use crate::answers::message;
use crate::environment::{assert_held, environment, upload_all};
use crate::objects::yields;
use redis_sync_local::Environment;
use redis_sync_tests::confined::Confined;
use redis_sync_tests::{compiled, guest, program};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Old entries of the object that fails, and a healthy neighbour in the same event.
async fn fails(variables: &[(&str, &str)], body: &Value, reason: &str) {
    let environment = environment(variables).await;
    environment
        .upload("flags/bad.json", yields(&json!({"old": {"bytes": "good"}})))
        .await
        .unwrap();
    let neighbour = yields(&json!({"neighbour": {"bytes": "fine"}}));
    let answer = upload_all(
        &environment,
        &[
            ("flags/bad.json", body.to_string()),
            ("flags/ok.json", neighbour),
        ],
    )
    .await;
    let message = message(answer);
    let expected = format!("1 of 2 objects failed: `flags/bad.json`: plugin `flags.wasm` {reason}");
    assert_eq!(message, expected);
    assert_held(&environment, json!({"old": "good", "neighbour": "fine"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_out_of_fuel_leaves_the_old_value() {
    let reason =
        "used up its 5000000 fuel on `flags/bad.json` (raise FUEL_LIMIT, or `fuel` of its route)";
    fails(&[("FUEL_LIMIT", "5000000")], &json!({"do": "spin"}), reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_is_stopped_by_the_clock() {
    let reason = "ran longer than 300 ms on `flags/bad.json` (raise TIME_LIMIT_MS, or `time_ms` of its route)";
    let variables = [
        ("FUEL_LIMIT", "18446744073709551615"),
        ("TIME_LIMIT_MS", "300"),
    ];
    fails(&variables, &json!({"do": "spin"}), reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_the_limit_leaves_the_old_value() {
    let reason = "needs more than 32 MiB of memory on `flags/bad.json` (raise MEMORY_LIMIT_MIB, or `memory_mib` of its route)";
    fails(
        &[("MEMORY_LIMIT_MIB", "32")],
        &json!({"do": "grow"}),
        reason,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_a_plugin_gives_back_is_there_for_it_again() {
    let environment = environment(&[("MEMORY_LIMIT_MIB", "2")]).await;
    // It takes eight times the limit, a few hundred kilobytes at a time.
    let body = json!({"do": "churn", "rounds": 20_000}).to_string();
    environment.upload("flags/a.json", body).await.unwrap();
    assert_held(&environment, json!({"intact": "1907"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_over_the_limit_leaves_the_old_value() {
    let reason = "returned more than 1000 bytes on `flags/bad.json` (raise MAX_OUTPUT_BYTES)";
    fails(
        &[("MAX_OUTPUT_BYTES", "1000")],
        &json!({"do": "flood", "bytes": 1000}),
        reason,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_far_over_the_limit_fails_the_same() {
    let reason = "returned more than 1000 bytes on `flags/bad.json` (raise MAX_OUTPUT_BYTES)";
    fails(
        &[("MAX_OUTPUT_BYTES", "1000")],
        &json!({"do": "flood", "bytes": 100_000_000}),
        reason,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_leaves_the_old_value_and_the_panic_reaches_the_log() {
    let body = json!({"do": "panic", "message": "no such luck"});
    fails(
        &[],
        &body,
        "trapped on `flags/bad.json`: wasm `unreachable` instruction executed",
    )
    .await;

    let environment = environment(&[]).await;
    message(environment.upload("flags/bad.json", body.to_string()).await);
    let line = environment
        .function
        .wait_for_log("no such luck")
        .await
        .unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["level"], &line["target"]),
        (&json!("ERROR"), &json!("plugin"))
    );
    assert_eq!(
        (&line["plugin"], &line["object"]),
        (&json!("flags.wasm"), &json!("flags/bad.json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_recursion_leaves_the_old_value() {
    let environment = environment(&[]).await;
    environment
        .upload("flags/bad.json", yields(&json!({"old": {"bytes": "good"}})))
        .await
        .unwrap();
    let message = message(
        environment
            .upload("flags/bad.json", json!({"do": "recurse"}).to_string())
            .await,
    );
    // The guest's own stack, in its memory, may be the first to end: that is a trap.
    assert!(
        message.contains("exhausted its call stack")
            || message.contains("trapped on `flags/bad.json`: out of bounds memory access"),
        "{message}"
    );
    assert_held(&environment, json!({"old": "good"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_error_is_the_message() {
    fails(
        &[],
        &json!({"do": "fail", "message": "no flag has a name"}),
        "failed on `flags/bad.json`: no flag has a name",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_limits_of_its_own() {
    let environment = environment(&[]).await;
    let route = "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\nfuel = 200000000\ntime_ms = 5000\nmemory_mib = 16\n";
    environment.s3.put("plugins/routes.toml", route);
    for (body, reason) in [
        (json!({"do": "spin"}), "used up its 200000000 fuel"),
        (json!({"do": "grow"}), "needs more than 16 MiB"),
    ] {
        let message = message(environment.upload("flags/bad.json", body.to_string()).await);
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_end_is_cut_and_says_so() {
    let environment = environment(&[]).await;
    environment
        .upload(
            "flags/x.json",
            json!({"do": "log", "lines": 1000}).to_string(),
        )
        .await
        .unwrap();
    environment
        .function
        .wait_for_log("800 more lines were dropped")
        .await
        .unwrap();
    let said = environment
        .function
        .logs()
        .iter()
        .filter(|line| line.contains("\"target\":\"plugin\""))
        .count();
    assert_eq!(said, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_nothing_of_the_host_and_always_the_same() {
    let environment = environment(&[]).await;
    let observe = json!({"do": "observe"}).to_string();
    environment.s3.put_with(
        "flags/x.json",
        &observe,
        "application/json",
        &[("team", "blue")],
    );
    let event = redis_sync_local::event::created(environment.s3.bucket(), "flags/x.json");
    environment.function.invoke(&event).await.unwrap();
    let seen = redis_sync_tests::held::held(&environment.redis).await;
    for (field, expected) in [
        ("bucket", "config"),
        ("key", "flags/x.json"),
        ("content_type", "application/json"),
        ("metadata", "{\"team\": \"blue\"}"),
        ("settings", "{}"),
        ("clock_is_last_modified", "true"),
        ("elapsed", "1µs"),
        ("environment", "[]"),
        ("arguments", "[]"),
        ("root", "Err(NotFound)"),
        ("socket", "false"),
    ] {
        assert_eq!(seen["observed"][field], expected, "{field} in {seen}");
    }
    let other = environment.another_function().await.unwrap();
    environment.redis.command(&["FLUSHALL"]).await.unwrap();
    other.invoke(&event).await.unwrap();
    assert_held(&environment, seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sleeping_takes_no_time() {
    let environment = environment(&[]).await;
    let report = environment
        .upload(
            "flags/x.json",
            json!({"do": "sleep", "ms": 3_600_000}).to_string(),
        )
        .await
        .unwrap();
    assert_eq!(report["status"], "success");
    assert_held(&environment, json!({"slept": "3600000"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_floods_stdout_is_stopped() {
    let environment = environment(&[("MAX_OUTPUT_BYTES", "1000000")]).await;
    environment
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    let message = message(environment.upload("command/x", "flood\n").await);
    assert!(
        message.contains("plugin `command.wasm` returned more than 1000000 bytes"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_the_host_has_not_is_never_the_guests_affair() {
    // A shell in between, which lets the function have less than the plugin's limit allows.
    let (folder, bootstrap) = (env!("CARGO_TARGET_TMPDIR"), program::bootstrap());
    let little = Path::new(folder).join("bootstrap-with-little-memory");
    let script = format!(
        "#!/bin/sh\nulimit -d 1500000\nexec {}\n",
        bootstrap.display()
    );
    std::fs::write(&little, script).unwrap();
    std::fs::set_permissions(&little, Permissions::from_mode(0o755)).unwrap();
    let environment = Environment::start_with(
        &little,
        [("MEMORY_LIMIT_MIB", "4096"), ("MEMORY_BUDGET_MIB", "8192")],
    )
    .await
    .unwrap();
    let takes_two_gigabytes = r#"(module (memory (export "memory") 1)
        (func (export "_start") (drop (memory.grow (i32.const 32768)))))"#;
    environment.s3.put(
        "plugins/big.wasm",
        wat::parse_str(takes_two_gigabytes).unwrap(),
    );
    environment.s3.put("big", "");
    let job = json!({
        "invocationSchemaVersion": "1.0", "invocationId": "i", "job": {"id": "j"},
        "tasks": [{"taskId": "t", "s3Key": "big", "s3VersionId": null, "s3BucketArn": "arn:aws:s3:::config"}],
    });
    let answer = environment.function.invoke(job).await.unwrap();
    let result = &answer["results"][0];
    assert_eq!(result["resultCode"], "TemporaryFailure", "{answer}");
    let why = result["resultString"].as_str().unwrap();
    let expected = "plugin `big.wasm` could not be given what it needs by the host on `big`: ";
    assert!(why.starts_with(expected), "{why}");
    assert_held(&environment, json!({})).await;
}

/// Time is what has passed: a processor that the function gets a third of neither makes it longer, nor
/// has a run that was stopped in time reported as one that could not be.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_throttled_processor_four_spinners_end_in_their_time() {
    let confined = Confined::throttled(&program::bootstrap(), 300);
    let variables = [
        compiled::variable(),
        ("FUEL_LIMIT".to_owned(), u64::MAX.to_string()),
        ("TIME_LIMIT_MS".to_owned(), "1000".to_owned()),
    ];
    let environment = Environment::start_with(confined.program(), variables).await;
    let environment = environment.unwrap();
    guest::upload(&environment.s3);
    let spins = json!({"do": "spin"}).to_string();
    let names: Vec<String> = (0..4).map(|number| format!("flags/{number}")).collect();
    let objects: Vec<(&str, String)> = names
        .iter()
        .map(|name| (name.as_str(), spins.clone()))
        .collect();
    let message = message(upload_all(&environment, &objects).await);
    assert!(message.starts_with("4 of 4 objects failed"), "{message}");
    assert!(message.contains("ran longer than 1000 ms"), "{message}");
    assert!(!message.contains("did not stop"), "{message}");
}
