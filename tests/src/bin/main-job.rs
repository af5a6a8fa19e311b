//! The main job on real parts: two plugins and two real config files are uploaded to an S3 server,
//! their notifications reach the real `bootstrap` binary, and a real Redis holds the result.
#![expect(clippy::print_stdout, reason = "what it shows is what it is for")]

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use redis_sync_local::Environment;
use redis_sync_tests::nhs::{self, CONFIG_FILES};
use redis_sync_tests::{guest, held, program};
use serde_json::Value;
use std::collections::HashMap;

#[tokio::main]
async fn main() -> Result<()> {
    step("Starting S3, Redis and a Lambda Runtime API, and on it the function");
    let environment = Environment::start(program::bootstrap()).await?;
    println!(
        "      bucket `{}` at {}",
        environment.s3.bucket(),
        environment.s3.endpoint()
    );
    println!("      redis at 127.0.0.1:{}", environment.redis.port());

    step("Uploading the plugins");
    for file in &CONFIG_FILES {
        let module = guest::module(file.guest);
        let key = format!("plugins/{}.wasm", file.key);
        println!(
            "      {key}  ({} KB, from example-transforms/{})",
            module.len() / 1000,
            file.guest
        );
        environment.s3.put(&key, module);
    }

    step("Uploading the config files; S3 notifies the function");
    let mut objects = Vec::new();
    for file in &CONFIG_FILES {
        let report = environment
            .upload(file.key, file.body)
            .await
            .with_context(|| file.key)?;
        println!(
            "      {}  {}",
            file.key,
            report["message"].as_str().unwrap_or_default()
        );
        objects.extend(report["objects"].as_array().cloned().unwrap_or_default());
    }
    println!(
        "{}",
        objects_table(&objects, &durations(&environment.function.logs()))
    );

    step("What Redis holds now");
    let held = held::held(&environment.redis).await;
    println!("{}", redis_table(&held));
    ensure!(
        nhs::parsed(&held) == nhs::expected(),
        "Redis does not hold what was expected"
    );
    println!("\nAll six hashes equal the expected results.");
    Ok(())
}

fn step(what: &str) {
    println!("\n  ==> {what}");
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header.to_vec());
    table
}

fn objects_table(objects: &[Value], durations: &HashMap<String, f64>) -> Table {
    let mut table = table(&["object", "outcome", "plugin", "entries", "fuel", "time"]);
    for object in objects {
        let text = |member: &str| match &object[member] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let time = durations.get(object["key"].as_str().unwrap_or_default());
        let time = time
            .map(|milliseconds| format!("{milliseconds:.1} ms"))
            .unwrap_or_default();
        table.add_row([
            text("key"),
            text("outcome"),
            text("plugin"),
            text("entries"),
            text("fuel"),
            time,
        ]);
    }
    table
}

/// How long each object took, from the function's log, without the compiling of its plugin.
fn durations(logs: &[String]) -> HashMap<String, f64> {
    let lines = logs
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| {
            Some((
                line["object"].as_str()?.to_owned(),
                line["duration_ms"].as_f64()?,
            ))
        })
        .collect()
}

fn redis_table(held: &Value) -> Table {
    const WIDTH: usize = 60;
    let mut table = table(&["Redis key", "fields", "the first of them"]);
    for (key, fields) in held.as_object().into_iter().flatten() {
        let fields = fields.as_object().cloned().unwrap_or_default();
        let first = fields
            .iter()
            .next()
            .map(|(name, value)| format!("{name} = {}", value.as_str().unwrap_or_default()));
        let mut first = first.unwrap_or_default();
        if first.chars().count() > WIDTH {
            first = first.chars().take(WIDTH).chain("...".chars()).collect();
        }
        table.add_row([key.clone(), fields.len().to_string(), first]);
    }
    table
}
