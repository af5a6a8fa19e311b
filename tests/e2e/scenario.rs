//! What objects say to the `scenario` guest, and an environment that has it.

pub(crate) use crate::world::outcome;
use crate::world::world_with;
use redis_sync_local::{self as local, Environment, Redis, S3};
pub(crate) use redis_sync_tests::connection::connect;
use redis_sync_tests::{compiled, guest};
use serde_json::{Map, Value, json};

/// An object that yields `bytes` entries.
pub(crate) fn texts(entries: &[(&str, &str)]) -> String {
    let entries = entries.iter();
    let entries: Map<_, _> = entries
        .map(|(key, text)| ((*key).to_owned(), json!({"bytes": text})))
        .collect();
    yields(&Value::Object(entries))
}

/// Puts an object that yields `bytes` entries, and delivers its event.
pub(crate) async fn upload(
    environment: &Environment,
    key: &str,
    entries: &[(&str, &str)],
) -> Value {
    environment.upload(key, texts(entries)).await.unwrap()
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

/// The guest in the variant that puts `letters` before its keys.
pub(crate) fn variant(letters: &str) -> Vec<u8> {
    let module = guest::scenario_variant(letters);
    compiled::folder_with(&module);
    module
}

/// The variables that lead a function to a bucket, a Redis server, and the guest's machine code.
pub(crate) fn variables(s3: &S3, redis: &Redis) -> Vec<(String, String)> {
    let mut variables = local::variables(s3, redis);
    variables.push(compiled_guest());
    variables
}

/// The variable that leads a function to the guest's machine code.
pub(crate) fn compiled_guest() -> (String, String) {
    let folder = compiled::folder_with(&guest::module("scenario"));
    ("COMPILED_DIR".to_owned(), folder.display().to_string())
}
