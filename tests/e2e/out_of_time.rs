//! What keeps a full sync from getting to its end in time.

use redis_sync_local::{Effect, Environment, Fault, InvokeError, Operation};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// Objects that are quickly done, and after them one that is not read before the faults are cleared.
pub(crate) fn stuck_end(environment: &Environment) {
    for number in 0..120 {
        environment.s3.put(&format!("a/{number:03}"), "quick");
    }
    environment.s3.put("z/stuck", "slow");
    is_stuck(environment, "z/stuck");
}

/// Reads of an object take longer than any invocation.
pub(crate) fn is_stuck(environment: &Environment, key: &str) {
    environment.s3.inject(Fault {
        operation: Operation::GetObject,
        key: Some(key.to_owned()),
        times: None,
        effect: Effect::Delay(Duration::from_secs(120)),
    });
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    u64::try_from(now).unwrap()
}

/// Answers a full sync that has so many seconds.
pub(crate) async fn within(
    environment: &Environment,
    request: Value,
    seconds: u64,
) -> Result<Value, InvokeError> {
    let (request, limit) = (json!({ "sync": request }), Duration::from_secs(seconds));
    environment.function.invoke_within(request, limit).await
}
