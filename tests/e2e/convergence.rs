//! G1: however events are reordered, repeated and interleaved, Redis ends equal to the transforms
//! of the bucket, and so does what is kept besides.
//!
//! Histories are played request by request: every request of every host waits at a gate, and is let
//! through when it is its turn. A failing history is shrunk, and played again it fails again.
//! Those of every run are others, a few of each kind; `HISTORIES` sets how many, and `make soak` plays 100,000. A run that
//! fails says by which `SEED` it plays the same again.

use crate::history::{Kind, Place, Player, histories};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use redis_sync_tests::gate::Quiet;
use redis_sync_tests::target::Target;
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

/// Plays random histories.
fn play(cases: u32, kind: Kind, place: Place, target: impl Future<Output = Target>) {
    let (runtime, quiet) = Quiet::runtime();
    let player = async { Player::new(kind, place, target.await, quiet).await };
    let player = runtime.block_on(player);
    let player = RefCell::new(player);
    let seed = number("SEED").unwrap_or_else(any_seed);
    let config = Config {
        cases: number("HISTORIES").unwrap_or(cases),
        max_shrink_iters: number("SHRINK").unwrap_or(2000),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let played = TestRunner::new(config).run(&histories(kind), |history| {
        let verdict = runtime.block_on(player.borrow_mut().play(&history));
        verdict.map_err(TestCaseError::fail)
    });
    played.unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
}

fn number<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One that nobody has chosen.
fn any_seed() -> u64 {
    RandomState::new().hash_one(())
}

#[test]
fn any_history_converges() {
    play(50, Kind::Plain, Place::Here, Target::server());
}

#[test]
fn any_history_of_many_objects_converges() {
    play(10, Kind::Crowded, Place::Here, Target::server());
}

#[test]
fn any_history_on_several_processes_converges() {
    play(4, Kind::Plain, Place::Functions, Target::server());
}

#[test]
fn any_history_on_a_cluster_converges() {
    play(15, Kind::Plain, Place::Here, Target::cluster());
}

/// Fails where a conflict on a cluster is met when some hash slots have been written to.
#[test]
fn objects_that_claim_one_key_are_whole() {
    play(15, Kind::Clashes, Place::Here, Target::server());
}

#[test]
fn objects_that_claim_one_key_are_whole_on_a_cluster() {
    play(15, Kind::Clashes, Place::Here, Target::cluster());
}

#[test]
fn deployments_with_different_prefixes_converge() {
    play(12, Kind::Prefixes, Place::Here, Target::server());
}

#[test]
fn deployments_with_different_prefixes_converge_on_a_cluster() {
    play(6, Kind::Prefixes, Place::Here, Target::cluster());
}

#[test]
fn what_an_earlier_version_has_left_is_taken_over_by_the_next_sync() {
    play(12, Kind::Upgrades, Place::Here, Target::server());
}

#[test]
fn what_an_earlier_version_has_left_on_a_cluster_is_taken_over_by_the_next_sync() {
    play(6, Kind::Upgrades, Place::Here, Target::cluster());
}

#[test]
fn whatever_redis_loses_the_next_sync_brings_back() {
    play(30, Kind::Losses, Place::Here, Target::server());
}

#[test]
fn whatever_a_cluster_loses_the_next_sync_brings_back() {
    play(10, Kind::Losses, Place::Here, Target::cluster());
}

#[test]
fn whatever_a_failover_undoes_the_next_sync_does_again() {
    play(30, Kind::Failovers, Place::Here, Target::server());
}

#[test]
fn whatever_a_failover_of_a_shard_undoes_the_next_sync_does_again() {
    play(12, Kind::Failovers, Place::Here, Target::cluster());
}

/// Fails where a commit begins though the user may not do all that it takes, or does what the template's user may
/// not.
#[test]
fn whatever_the_user_of_the_template_is_refused_is_done_when_it_may_again() {
    play(8, Kind::Rights, Place::Here, Target::server());
}

#[test]
fn whatever_the_user_is_refused_on_a_cluster_is_done_when_it_may_again() {
    play(4, Kind::Rights, Place::Here, Target::cluster());
}
