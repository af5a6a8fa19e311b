//! The same object through the same plugin is the same, in another process and on another day.

use redis_sync_local::Environment;
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_yield_the_same_entries_with_the_same_fuel() {
    let (one, other) = tokio::join!(observed(), observed());
    assert_eq!(one, other);
    let (_, held) = one;
    let seen = &held["observed"];
    assert_eq!(seen["clock_is_last_modified"], "true", "{seen}");
    assert_eq!(seen["environment"], "[]", "{seen}");
    assert_eq!(seen["socket"], "false", "{seen}");
}

/// What a plugin sees that looks everywhere, and the fuel that takes.
async fn observed() -> (Value, Value) {
    let environment = Environment::start(program::bootstrap()).await.unwrap();
    environment.s3.put("plugins/p.wasm", guest::scripted());
    let day = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    environment.s3.set_clock(Some(day));
    let report = environment
        .upload("p/x", json!({"do": "observe"}).to_string())
        .await
        .unwrap();
    (
        report["objects"][0]["fuel"].clone(),
        held(&environment.redis).await,
    )
}
