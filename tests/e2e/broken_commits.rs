//! A commit to a cluster goes from hash slot to hash slot. At each step its worker is killed, or
//! held up until a later one has overtaken it.

use crate::mirror::{Delivery, Mirror};
use redis_sync_local::{Function, Operation, RedisCluster};
use redis_sync_tests::target::Target;
use redis_sync_tests::turnstile::Turnstile;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

const OBJECT: &str = "flags/a";

/// What the object yields before, in as many hash slots.
const BEFORE: [&str; 3] = ["a", "b", "c"];

/// What it is to yield when the commit is broken off: a key less, one that changes, one more.
const NEW: [&str; 3] = ["b", "c", "d"];

/// The scripts of a commit at the least: a ticket, three checks, an announcement, three keys that are reserved,
/// four hash slots, and the end.
const STEPS: usize = 13;

/// Those before its announcement.
const CHECKED: usize = 4;

/// What happens to the object after its worker has died.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// It is what it was before, so that entity tag and time are those of the record.
    Back,
    /// It stays, and its event is delivered again.
    Again,
    Deleted,
    /// It stays, and no event comes, but a full sync.
    Sync,
}

async fn mirror() -> (Mirror, Turnstile) {
    let target = Target::cluster().await;
    // Its own function has its connections before the turnstile is there.
    let mut mirror = Mirror::of(target).await;
    mirror.put(OBJECT, &BEFORE, "before");
    mirror.deliver_as(OBJECT, "synced").await;
    let turnstile = Turnstile::before(cluster(&mirror)).await.unwrap();
    (mirror, turnstile)
}

fn cluster(mirror: &Mirror) -> &RedisCluster {
    let Target::Cluster(cluster) = &mirror.target else {
        panic!("the target is a cluster");
    };
    cluster
}

/// Brings the object back to what it was.
async fn restore(mirror: &mut Mirror) {
    mirror.put(OBJECT, &BEFORE, "before");
    mirror.deliver(OBJECT).await.unwrap();
    mirror.assert_equal("brought back").await;
}

/// Has a commit broken off after each number of scripts, until one comes to its end.
async fn break_off(then: Then) {
    let (mut mirror, turnstile) = mirror().await;
    for scripts in 0.. {
        mirror.put(OBJECT, &NEW, "new");
        let worker = begin(&mirror, &turnstile, OBJECT, scripts).await;
        let broken_off = worker.kill().await;
        let what = format!("broken off after {scripts} scripts, then {then:?}");
        heal(&mut mirror, then, &what).await;
        if !broken_off {
            assert!(scripts >= STEPS, "only {scripts} scripts");
            return;
        }
        restore(&mut mirror).await;
    }
}

/// What happens next, and that it brings everything in order.
async fn heal(mirror: &mut Mirror, then: Then, what: &str) {
    mirror.s3.reset_counts();
    match then {
        Then::Back => mirror.put(OBJECT, &BEFORE, "before"),
        Then::Deleted => mirror.delete(OBJECT),
        Then::Again | Then::Sync => {}
    }
    if let Then::Sync = then {
        mirror.function.invoke(json!({"sync": {}})).await.unwrap();
    } else {
        mirror.deliver(OBJECT).await.unwrap();
        // Nobody takes what is recorded for what Redis holds, and finds out later that it is not.
        let reads = mirror.s3.count_of(Operation::GetObject, OBJECT);
        assert_eq!(reads, 1, "{what}: the object was read so often");
    }
    mirror.assert_equal(what).await;
}

/// A worker behind a turnstile.
struct Worker<'a> {
    function: Arc<Function>,
    turnstile: &'a Turnstile,
    /// Its event; none where it is through.
    delivery: Option<Delivery>,
    /// The outcome of the object where it is through, or why it failed.
    outcome: Option<Result<String, String>>,
}

/// A worker begins with an event of the object, and is held up after so many scripts if it needs more.
async fn begin<'a>(
    mirror: &Mirror,
    turnstile: &'a Turnstile,
    object: &str,
    scripts: usize,
) -> Worker<'a> {
    let function = mirror.function_through(turnstile.port()).await;
    begin_in(function, turnstile, object, scripts).await
}

/// The same in a function that is there already.
async fn begin_in<'a>(
    function: Arc<Function>,
    turnstile: &'a Turnstile,
    object: &str,
    scripts: usize,
) -> Worker<'a> {
    let worker = Worker {
        delivery: Some(Mirror::begin(&function, object)),
        outcome: None,
        function,
        turnstile,
    };
    let worker = worker.go_on_for(scripts).await;
    let outcome = worker.outcome.as_ref();
    assert!(
        outcome.is_none_or(|outcome| outcome.as_deref() == Ok("synced")),
        "{outcome:?}"
    );
    worker
}

impl Worker<'_> {
    /// Whether it was held up before it was through.
    fn is_held(&self) -> bool {
        self.delivery.is_some()
    }

    /// Lets it go on, and holds it up after so many scripts if it needs more.
    async fn go_on_for(mut self, scripts: usize) -> Self {
        self.turnstile.let_through(scripts);
        if let Some(mut delivery) = self.delivery.take() {
            tokio::select! {
                () = self.turnstile.holds_one() => self.delivery = Some(delivery),
                outcome = &mut delivery => self.outcome = Some(outcome.unwrap()),
            }
        }
        self
    }

    /// Kills it, and says whether it was held up before it was through.
    async fn kill(self) -> bool {
        self.function.kill().await;
        self.turnstile.cut();
        self.is_held()
    }

    /// Lets it go on; the outcome of the object, or why it failed.
    async fn go_on(self) -> Option<Result<String, String>> {
        self.turnstile.open();
        match self.delivery {
            Some(delivery) => Some(delivery.await.unwrap()),
            None => self.outcome,
        }
    }
}

/// Fails where a record is taken for what Redis holds although a later commit was announced: where
/// `record.rs` alone does not look, the object is read twice; where `announce.lua` and the hash slots
/// (`changed`) do not either, Redis ends with entries of both.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_what_it_was_before_a_broken_commit_is_written_again() {
    break_off(Then::Back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_commit_is_healed_by_the_next_delivery() {
    break_off(Then::Again).await;
}

/// Fails where `announce.lua` forgets the hash slots of those that were announced before.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_deleted_after_a_broken_commit_leaves_nothing() {
    break_off(Then::Deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_commit_is_healed_by_the_next_full_sync() {
    break_off(Then::Sync).await;
}

/// A worker that is overtaken between two scripts, wherever that is, writes nothing over what is
/// newer. Fails where `apply.lua` does not compare the tickets in a hash slot.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_overtaken_on_its_way_overwrites_nothing() {
    let (mut mirror, turnstile) = mirror().await;
    for scripts in 0.. {
        mirror.put(OBJECT, &NEW, "overtaken");
        let worker = begin(&mirror, &turnstile, OBJECT, scripts).await;
        if !worker.is_held() {
            assert!(scripts >= STEPS, "only {scripts} scripts");
            return;
        }
        mirror.put(OBJECT, &["c", "d", "e"], "last");
        mirror.deliver(OBJECT).await.unwrap();
        let outcome = worker.go_on().await;
        let what = format!("overtaken after {scripts} scripts, and then {outcome:?}");
        mirror.assert_equal(&what).await;
        restore(&mut mirror).await;
    }
}

/// A full sync that cannot read the object comes upon a worker that has written everything and not
/// ended: a key that is new is under a ticket that the record does not tell of, and is no orphan.
/// Fails where `orphans.rs` does not look whether a commit was announced.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_commit_that_has_not_ended_are_no_orphans() {
    let (mut mirror, turnstile) = mirror().await;
    mirror.put(OBJECT, &NEW, "new");
    let worker = begin(&mirror, &turnstile, OBJECT, STEPS - 1).await;
    assert!(worker.is_held());
    mirror.s3.fail(Operation::GetObject, u32::MAX, 403);
    let report = mirror.function.invoke(json!({"sync": {}})).await.unwrap();
    assert_eq!(report["status"], "error", "{report}");
    mirror.s3.clear_faults();
    let outcome = worker.go_on().await;
    assert_eq!(outcome, Some(Ok("synced".to_owned())));
    let expected = json!({"b": "new", "c": "new", "d": "new"});
    assert_eq!(mirror.target.held().await, expected);
    // The ticket of the sync is still outstanding.
    mirror.deliver_as(OBJECT, "unchanged").await;
    mirror.assert_equal("delivered again").await;
}

/// One worker is held up, a later one dies on its way, and then the first goes on: it must not make
/// anybody forget where the later one has been. Fails where `finish.lua` does not look whether a
/// later commit was announced.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_ends_after_a_later_one_was_broken_off_hides_nothing() {
    let (mut mirror, first_turnstile) = mirror().await;
    let second_turnstile = Turnstile::before(cluster(&mirror)).await.unwrap();
    // The first before its announcement, and before its end.
    for first in [CHECKED, STEPS - 1] {
        for second in CHECKED..STEPS - 2 {
            first_turnstile.announce(cluster(&mirror)).await.unwrap();
            mirror.put(OBJECT, &NEW, "first");
            let held = begin(&mirror, &first_turnstile, OBJECT, first).await;
            second_turnstile.announce(cluster(&mirror)).await.unwrap();
            mirror.put(OBJECT, &["c", "e"], "second");
            let dead = begin(&mirror, &second_turnstile, OBJECT, second).await;
            assert!(held.is_held() && dead.kill().await, "{first}, {second}");
            let outcome = held.go_on().await;
            let what = format!(
                "the first after {first} scripts {outcome:?}, the second died after {second}"
            );
            heal(&mut mirror, Then::Deleted, &what).await;
            restore(&mut mirror).await;
        }
    }
}

/// Another object takes a key when the worker has found it free, wherever that is: either the one has all that it
/// yields, or the other, and nothing of the one that fails is removed; what it has not got, a third one may have. Fails
/// where keys are not reserved before the first hash slot is written to (`reserve.lua`), or are not given back by a
/// commit that cannot be (`unreserve.lua`).
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_while_a_commit_is_on_its_way_leaves_no_half_of_it() {
    const OTHER: &str = "flags/other";
    const THIRD: &str = "flags/third";
    let (mut mirror, turnstile) = mirror().await;
    for scripts in 0.. {
        mirror.put(OBJECT, &["d", "e"], "new");
        let worker = begin(&mirror, &turnstile, OBJECT, scripts).await;
        if !worker.is_held() {
            assert!(scripts >= STEPS - 2, "only {scripts} scripts");
            return;
        }
        mirror.put(OTHER, &["e"], "other");
        let other = mirror.deliver(OTHER).await;
        let outcome = worker.go_on().await.unwrap();
        let what = format!("taken after {scripts} scripts, {other:?}, and then {outcome:?}");
        assert_ne!(other.is_ok(), outcome.is_ok(), "{what}");
        if outcome.is_err() {
            mirror.put(THIRD, &["d"], "third");
            assert_eq!(
                mirror.deliver(THIRD).await.as_deref(),
                Ok("synced"),
                "{what}"
            );
            mirror.delete(THIRD);
            mirror.deliver_as(THIRD, "deleted").await;
        }
        let expected = if other.is_ok() {
            json!({"a": "before", "b": "before", "c": "before", "e": "other"})
        } else {
            json!({"d": "new", "e": "new"})
        };
        for again in 0..3 {
            assert_eq!(
                mirror.target.held().await,
                expected,
                "{what}, {again} times again"
            );
            let _ = mirror.deliver(OBJECT).await;
        }
        mirror.function.invoke(json!({"sync": {}})).await.unwrap();
        assert_eq!(mirror.target.held().await, expected, "{what}, and a sync");
        mirror.delete(OTHER);
        mirror.deliver(OTHER).await.unwrap();
        mirror.deliver(OBJECT).await.unwrap();
        mirror
            .assert_equal(&format!("{what}, and the other is gone"))
            .await;
        restore(&mut mirror).await;
    }
}

/// An object was deleted, and its key is on its way to another one that yields it; then it is put again as it was, and
/// finds its key to be its own. Wherever the other's worker is when it goes on, the one has all that it yields, and the
/// other nothing. Fails where hash slots in which the object has all its keys already are not asked again before the
/// first is written to (`cluster.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_handed_over_while_its_object_is_put_again_leaves_no_half_of_it() {
    const TAKER: &str = "flags/b";
    // What the other's worker calls before it announces anything: a ticket, two checks that find whose the key is, two
    // tickets, three checks of both.
    const BOTH_CHECKED: usize = 8;
    let (mut mirror, before_giver) = mirror().await;
    let giving = mirror.function_through(before_giver.port()).await;
    Mirror::begin(&giving, OBJECT).await.unwrap().unwrap();
    let before_taker = Turnstile::before(cluster(&mirror)).await.unwrap();
    let taking = mirror.function_through(before_taker.port()).await;
    let mut outcomes = BTreeSet::new();
    for more in 0.. {
        mirror.delete(OBJECT);
        mirror.put(TAKER, &["a", "d"], "taker");
        let taker = begin_in(taking.clone(), &before_taker, TAKER, BOTH_CHECKED).await;
        mirror.put(OBJECT, &BEFORE, "again");
        let giver = begin_in(giving.clone(), &before_giver, OBJECT, CHECKED).await;
        let taker = taker.go_on_for(more).await;
        let is_through = !taker.is_held();
        let what = format!("held after {more} more scripts");
        let gives = giver.go_on().await.unwrap();
        let takes = taker.go_on().await.unwrap();
        outcomes.insert((gives.is_ok(), takes.is_ok()));
        let expected = if takes.is_ok() {
            json!({"a": "taker", "d": "taker"})
        } else {
            json!({"a": "again", "b": "again", "c": "again"})
        };
        for event in [OBJECT, TAKER, OBJECT] {
            let held = mirror.target.held().await;
            assert_eq!(held, expected, "{what}: {gives:?}, {takes:?}");
            let _ = mirror.deliver(event).await;
        }
        mirror.delete(TAKER);
        mirror.deliver(TAKER).await.unwrap();
        mirror.deliver(OBJECT).await.unwrap();
        mirror.assert_equal(&what).await;
        restore(&mut mirror).await;
        if is_through {
            assert!(more >= 10, "only {more} scripts");
            assert_eq!(outcomes, [(false, true), (true, false)].into());
            return;
        }
    }
}

/// A worker is held up, the object is deleted, and Redis evicts what it keeps for a while of one that is gone: in the hash
/// slots, or its record as well. Fails where `finish.lua` takes a later commit for its own, or where a worker that begins
/// again forgets where it has written (`joint.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_back_when_all_is_forgotten_leaves_nothing() {
    let (mut mirror, turnstile) = mirror().await;
    for pattern in ["redis-sync:*part:*", "redis-sync:*[jr]*t:*"] {
        for scripts in 0.. {
            mirror.put(OBJECT, &NEW, "new");
            let worker = begin(&mirror, &turnstile, OBJECT, scripts).await;
            if !worker.is_held() {
                assert!(scripts >= STEPS, "only {scripts} scripts");
                break;
            }
            mirror.delete(OBJECT);
            mirror.deliver(OBJECT).await.unwrap();
            evict(cluster(&mirror), pattern).await;
            let outcome = worker.go_on().await;
            let what = format!("forgotten {pattern} after {scripts} scripts, then {outcome:?}");
            mirror.assert_equal(&what).await;
            restore(&mut mirror).await;
        }
    }
}

/// Evicts keys that expire, as `volatile-*` does.
async fn evict(cluster: &RedisCluster, pattern: &str) {
    for node in cluster.primaries() {
        let keys = node.command(&["KEYS", pattern]).await.unwrap();
        for key in keys.lines().filter(|key| !key.is_empty()) {
            if node.command(&["TTL", key]).await.unwrap() != "-1" {
                node.command(&["UNLINK", key]).await.unwrap();
            }
        }
    }
}
