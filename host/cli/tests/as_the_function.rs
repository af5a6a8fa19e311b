//! What `redis-sync run` says of an object is what the function does with it: the same entries, the
//! same fuel, the same text of the error.

use anyhow::{Context, Result, ensure};
use redis_sync_local::Environment;
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What `redis-sync run` says, as JSON.
fn run(module: &Path, key: &str, body: &str) -> Result<Value> {
    let folder = module.parent().context("a file lies in a folder")?;
    let input = folder.join("input");
    std::fs::write(&input, body)?;
    let ran = Command::new(env!("CARGO_BIN_EXE_redis-sync"))
        .args(["run", "--json", "--key", key, "--input"])
        .args([&input, module])
        .output()?;
    let said = String::from_utf8(ran.stdout)?;
    let said: Value = serde_json::from_str(&said)
        .with_context(|| String::from_utf8_lossy(&ran.stderr).into_owned())?;
    ensure!(ran.status.success() == said["error"].is_null(), "{said}");
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_maps_what_was_compiled() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("flags.wasm");
    std::fs::write(&module, guest::scripted())?;
    for target in ["arm64", "x86_64"] {
        let mut compile = Command::new(env!("CARGO_BIN_EXE_redis-sync"));
        compile.args(["compile", "--target", target, "--out"]);
        let compiled = compile.arg(folder.path()).arg(&module).output()?;
        ensure!(compiled.status.success(), "{compiled:?}");
    }
    let variables = [("COMPILED_DIR", folder.path().display().to_string())];
    let environment = Environment::start_with(program::bootstrap(), variables).await?;
    environment.s3.put("plugins/flags.wasm", guest::scripted());
    environment
        .upload("flags/a.json", r#"{"do": "log", "lines": 1}"#)
        .await?;
    let logs = environment.function.logs();
    let loaded = logs.iter().find(|line| line.contains("module loaded"));
    let loaded = loaded.context("it is loaded")?;
    assert!(loaded.contains("COMPILED_DIR"), "{loaded}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_comes_to_what_the_function_comes_to() -> Result<()> {
    let environment =
        Environment::start_with(program::bootstrap(), [("FUEL_LIMIT", "5000000000")]).await?;
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("flags.wasm");
    std::fs::write(&module, guest::scripted())?;
    environment.s3.put("plugins/flags.wasm", guest::scripted());

    let body = r#"{"do": "yield", "entries": {"a": {"hash": {"b": "c"}}, "z": {"sorted_set": [["m", 1.5]]}}}"#;
    let said = run(&module, "flags/good.json", body)?;
    let report = environment.upload("flags/good.json", body).await?;
    assert_eq!(said["fuel"], report["objects"][0]["fuel"]);
    assert_eq!(said["entries"].as_array().map(Vec::len), Some(2));
    for entry in said["entries"].as_array().context("entries")? {
        let held = environment
            .function
            .invoke(json!({"read": entry["key"]}))
            .await?;
        assert_eq!(held, entry["value"]);
    }

    for (key, body) in [
        (
            "flags/returns.json",
            r#"{"do": "fail", "message": "no such flag"}"#,
        ),
        (
            "flags/panics.json",
            r#"{"do": "panic", "message": "at the disco"}"#,
        ),
        ("flags/grows.json", r#"{"do": "grow"}"#),
        ("flags/floods.json", r#"{"do": "flood", "bytes": 40000000}"#),
        ("flags/recurses.json", r#"{"do": "recurse"}"#),
        (
            "flags/reserved.json",
            r#"{"do": "yield", "entries": {"redis-sync:x": {"bytes": "b"}}}"#,
        ),
        ("flags/text.json", "no JSON"),
    ] {
        let said = run(&module, key, body)?;
        let error = said["error"].as_str().context("it fails")?;
        let told = environment.upload(key, body).await.expect_err("it fails");
        assert!(
            told.to_string().contains(error),
            "`{error}` is not in `{told}`"
        );
    }
    Ok(())
}
