//! What objects say to the `scenario` guest, and an environment that has it.

use crate::world::world_with;
use redis_sync::local::{Environment, Redis, S3};
use redis_sync_tests::guest;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An object that yields `bytes` entries.
pub(crate) fn texts(entries: &[(&str, &str)]) -> String {
    let entries = entries.iter();
    let entries: Map<_, _> = entries
        .map(|(key, text)| ((*key).to_owned(), json!({"bytes": text})))
        .collect();
    yields(&Value::Object(entries))
}

/// An object that yields these entries.
pub(crate) fn yields(entries: &Value) -> String {
    json!({"do": "yield", "entries": entries}).to_string()
}

/// An object that yields `count` keys, `<key>:<n>`, that hold `value`.
pub(crate) fn many(key: &str, count: usize, value: &str) -> String {
    json!({"do": "many", "key": key, "count": count, "value": value}).to_string()
}

/// A bucket with the guest for everything under `flags/`, Redis and a function.
pub(crate) async fn environment(more: &[(&str, &str)]) -> Environment {
    world_with(more).await
}

/// Puts the guest where it transforms everything under `flags/`.
pub(crate) fn upload_guest(s3: &S3) {
    s3.put("plugins/flags.wasm", guest::module("scenario"));
}

/// The outcome of the only object of a report.
pub(crate) fn outcome(report: &Value) -> &str {
    report["objects"][0]["outcome"].as_str().unwrap_or_default()
}

/// A connection of the test's own.
pub(crate) async fn connect(redis: &Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new();
    let config = config.set_response_timeout(Some(Duration::from_secs(30)));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    connecting.await.unwrap()
}
