//! G1: however events are reordered, repeated and interleaved, Redis ends equal to the transforms
//! of the bucket. `make soak` plays histories without end.

use super::history::{Step, World, histories, histories_with_losses};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use redis_sync_local::{BUCKET, Environment, Operation, event};
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, program};
use serde_json::json;
use std::io::Write;
use std::sync::Arc;

/// Plays random histories; a failing one is shrunk.
fn play(
    cases: u32,
    histories: impl Strategy<Value = Vec<Step>>,
    world: impl Future<Output = World>,
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = Arc::new(runtime.block_on(world));
    let config = Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let played = TestRunner::new(config).run(&histories, |history| {
        let verdict = runtime.block_on(world.play(&history));
        verdict.map_err(proptest::test_runner::TestCaseError::fail)
    });
    played.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_history_on_hosts_in_one_process_converges() {
    play(150, histories(), World::of_pipelines(3));
}

#[test]
fn any_history_on_several_processes_converges() {
    play(8, histories(), World::of_functions(3));
}

#[test]
fn any_history_on_a_cluster_converges() {
    play(30, histories(), World::of_cluster(3));
}

#[test]
fn whatever_redis_loses_the_next_sync_brings_back() {
    play(90, histories_with_losses(), World::of_pipelines(3));
}

#[test]
fn whatever_a_cluster_loses_the_next_sync_brings_back() {
    play(6, histories_with_losses(), World::of_cluster(3));
}

#[test]
#[ignore = "runs until it is stopped: make soak"]
fn soak() {
    let each = 200;
    for round in 1_u32.. {
        play(each, histories(), World::of_pipelines(4));
        play(each / 10, histories(), World::of_functions(3));
        play(each / 2, histories(), World::of_cluster(3));
        play(each / 2, histories_with_losses(), World::of_pipelines(3));
        play(each / 5, histories_with_losses(), World::of_cluster(3));
        let histories = round * (2 * each + each / 10 + each / 5);
        let _ = writeln!(std::io::stderr(), "{histories} histories have converged");
    }
}

fn one_key(value: &str) -> String {
    json!({"do": "yield", "entries": {"k": {"bytes": value}}}).to_string()
}

/// The trap: Redis holds state 1, whose event comes again. It must not be dropped because Redis has
/// that very state: a worker that has read the state in between may still be on its way.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_the_etag_of_the_record_is_not_dropped() {
    let environment = Environment::start(program::bootstrap()).await.unwrap();
    let another = environment.another_function().await.unwrap();
    environment
        .s3
        .put("plugins/flags.wasm", guest::module("scenario"));
    environment.upload("flags/x", one_key("1")).await.unwrap();

    environment.s3.put("flags/x", one_key("in between"));
    let parked = environment.s3.park_answer(Operation::GetObject, "flags/x");
    let slow = another.invoke(event::created(BUCKET, "flags/x"));
    let (slow, ()) = tokio::join!(slow, async {
        parked.reached().await;
        let report = environment.upload("flags/x", one_key("1")).await.unwrap();
        assert_eq!(report["objects"][0]["outcome"], "unchanged", "{report}");
        parked.release();
    });
    let report = slow.unwrap();
    assert_eq!(report["objects"][0]["outcome"], "superseded", "{report}");
    assert_eq!(held(&environment.redis).await, json!({"k": "1"}));
}
