//! What figures are measured on: S3, Redis, a function, and the Python handler beside it.

use anyhow::{Context, Result};
use redis_sync_local::{Environment, Function, variables};
use redis_sync_tests::{compiled, guest, nhs, program};
use serde_json::json;

/// The object of an event, in the words of its real users.
pub(super) const OBJECT: &str = "permissions_config.json";

/// A number that the environment may set.
pub(super) fn number(variable: &str, otherwise: usize) -> usize {
    let set = std::env::var(variable).ok();
    set.and_then(|number| number.parse().ok())
        .unwrap_or(otherwise)
}

/// A function whose plugins are compiled, with the plugin of the object.
pub(super) async fn environment() -> Result<Environment> {
    let module = guest::module("supplier-permissions");
    let folder = compiled::folder_with(&module).display().to_string();
    let more = [("COMPILED_DIR", folder)];
    let environment = Environment::start_with(program::bootstrap(), more).await?;
    upload(&environment);
    Ok(environment)
}

/// The plugin of the object.
pub(super) fn upload(environment: &Environment) {
    let module = guest::module("supplier-permissions");
    environment
        .s3
        .put(&format!("plugins/{OBJECT}.wasm"), module);
}

/// The object, other than the last one by a digit.
pub(super) fn change(environment: &Environment, number: usize) {
    let [file, ..] = &nhs::CONFIG_FILES;
    let body = file.body.replace("YGM41", &format!("YGM{number}"));
    environment.s3.put(OBJECT, body);
}

/// A function with the scripted plugin, compiled.
pub(super) async fn scripted() -> Result<Environment> {
    let environment = Environment::start_with(program::bootstrap(), [compiled::variable()]).await?;
    guest::upload(&environment.s3);
    Ok(environment)
}

/// An object that yields one entry.
pub(super) fn one(object: usize, round: usize) -> String {
    json!({"do": "yield", "entries": {format!("key:{object}"): {"bytes": round.to_string()}}})
        .to_string()
}

/// The handler in Python on the same S3 and Redis, where it is set up.
pub(super) async fn peer(environment: &Environment) -> Result<Option<Function>> {
    let Some(peer) = std::env::var_os("PEER") else {
        return Ok(None);
    };
    let variables = variables(&environment.s3, &environment.redis);
    Function::start(peer, variables).await.map(Some)
}

/// How often Redis has read from its sockets.
pub(super) async fn reads_of_redis(environment: &Environment) -> Result<u64> {
    let info = environment.redis.command(&["INFO", "stats"]).await?;
    let reads = info
        .lines()
        .find_map(|line| line.trim().strip_prefix("total_reads_processed:"));
    Ok(reads.context("Redis counts its reads")?.parse()?)
}

/// A count as a figure.
pub(super) fn to_f64(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::NAN, f64::from)
}
