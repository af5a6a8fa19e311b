//! G1: however events are reordered, repeated and interleaved, Redis ends equal to the transforms
//! of the bucket. `make soak` plays histories without end.

use crate::history::{Player, Step, histories, histories_with_losses};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use std::io::Write;
use std::sync::Arc;

/// Plays random histories; a failing one is shrunk.
fn play(
    cases: u32,
    histories: impl Strategy<Value = Vec<Step>>,
    player: impl Future<Output = Player>,
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let player = Arc::new(runtime.block_on(player));
    let config = Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let played = TestRunner::new(config).run(&histories, |history| {
        let verdict = runtime.block_on(player.play(&history));
        verdict.map_err(proptest::test_runner::TestCaseError::fail)
    });
    played.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_history_on_hosts_in_one_process_converges() {
    play(150, histories(), Player::with_hosts(3));
}

#[test]
fn any_history_on_several_processes_converges() {
    play(8, histories(), Player::with_functions(3));
}

#[test]
fn any_history_on_a_cluster_converges() {
    play(30, histories(), Player::with_a_cluster(3));
}

#[test]
fn whatever_redis_loses_the_next_sync_brings_back() {
    play(90, histories_with_losses(), Player::with_hosts(3));
}

#[test]
fn whatever_a_cluster_loses_the_next_sync_brings_back() {
    play(6, histories_with_losses(), Player::with_a_cluster(3));
}

#[test]
#[ignore = "runs until it is stopped: make soak"]
fn soak() {
    let each = 200;
    for round in 1_u32.. {
        play(each, histories(), Player::with_hosts(4));
        play(each / 10, histories(), Player::with_functions(3));
        play(each / 2, histories(), Player::with_a_cluster(3));
        play(each / 2, histories_with_losses(), Player::with_hosts(3));
        play(each / 5, histories_with_losses(), Player::with_a_cluster(3));
        let histories = round * (2 * each + each / 10 + each / 5);
        let _ = writeln!(std::io::stderr(), "{histories} histories have converged");
    }
}
