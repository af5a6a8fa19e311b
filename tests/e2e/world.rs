//! What every test starts from.

use crate::scenario;
use redis_sync_local::{Environment, InvokeError, Operation, Parked, event};
use redis_sync_tests::held::held;
use redis_sync_tests::program;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// An environment in which `flags.wasm` is the scenario guest.
pub(crate) async fn world() -> Environment {
    world_with(&[]).await
}

/// The same with more variables for the function.
pub(crate) async fn world_with(variables: &[(&str, &str)]) -> Environment {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables = std::iter::once(scenario::compiled_guest()).chain(variables);
    let world = Environment::start_with(program::bootstrap(), variables)
        .await
        .unwrap();
    scenario::upload_guest(&world.s3);
    world
}

/// An object of the scenario guest that yields these entries.
#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller makes the value for it"
)]
pub(crate) fn yields(entries: Value) -> String {
    scenario::yields(&entries)
}

/// An object of the scenario guest that yields one entry, `v` under this key.
pub(crate) fn one(key: &str) -> String {
    yields(json!({key: {"bytes": "v"}}))
}

/// The outcome of the only object of a report.
pub(crate) fn outcome(report: &Value) -> &str {
    assert_eq!(
        report["objects"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    report["objects"][0]["outcome"].as_str().unwrap()
}

/// The message of a failed invocation.
pub(crate) fn message(answer: Result<Value, InvokeError>) -> String {
    match answer {
        Err(InvokeError::Failed { error_message, .. }) => error_message,
        other => panic!("it should have failed, but: {other:?}"),
    }
}

/// Puts objects, then delivers one event with a record for each.
pub(crate) async fn upload_all(
    world: &Environment,
    objects: &[(&str, String)],
) -> Result<Value, InvokeError> {
    for (key, body) in objects {
        world.s3.put(key, body);
    }
    let events = objects
        .iter()
        .map(|(key, _)| event::created(world.s3.bucket(), key));
    world.function.invoke(event::batch(events)).await
}

/// Another function has read an object as it is, and is held up until that is released.
pub(crate) async fn read_late(
    world: &Environment,
    key: &str,
) -> (Parked, JoinHandle<Result<Value, InvokeError>>) {
    let other = world.another_function().await.unwrap();
    let parked = world.s3.park_answer(Operation::GetObject, key);
    let event = event::created(world.s3.bucket(), key);
    let late = tokio::spawn(async move { other.invoke(event).await });
    parked.reached().await;
    (parked, late)
}

/// Asserts what Redis holds, all of it.
pub(crate) async fn assert_held(world: &Environment, expected: Value) {
    assert_eq!(held(&world.redis).await, expected);
}
