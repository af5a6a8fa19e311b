use super::*;
use crate::entry::{EntrySet, Value};
use crate::ledger::Write;
use crate::ledger::owner::mark;
use crate::ledger::script_tests::{object, texts};
use redis_sync_local::{Redis, RedisCluster};

impl Ledger {
    /// A proposal under a ticket that is taken for it now.
    pub(in crate::ledger) async fn proposal(&self, key: &str, write: Write) -> Proposal {
        let taken = self.take_tickets(&[key.to_owned()]).await.unwrap();
        let [ticket] = taken.tickets.try_into().unwrap();
        Proposal {
            ticket,
            ..object(key, 0, write)
        }
    }

    async fn lose_record(&self, key: &str) {
        let mut lose = redis::cmd("DEL");
        lose.arg(self.names.record(key));
        assert_eq!(self.send::<u64>(&lose).await.unwrap(), 1);
    }
}

/// What stands in the way at home, where no hash slot knows of it yet; the second of two objects is told of.
///
/// Kills: an answer of `announce` that is taken for another, or for one to the first object.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_its_record_refuses_is_told_why_and_writes_nothing() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);

    let overtaken = ledger.proposal("overtaken", texts(&["a"])).await;
    let later = ledger.proposal("overtaken", texts(&[])).await;
    let committed = ledger.commit(&mut [later]).await.unwrap();
    assert_eq!(committed, Verdict::Committed);

    let early = ledger.proposal("early", texts(&["b"])).await;
    let begun = ledger.proposal("early", texts(&[])).await;
    ledger.announce(0, &begun).await.unwrap().unwrap();

    let lost = ledger.proposal("lost", texts(&["c"])).await;
    ledger.lose_record("lost").await;

    let unfinished = ledger.proposal("unfinished", texts(&[])).await;
    ledger.announce(0, &unfinished).await.unwrap().unwrap();
    let changed = ledger.proposal("unfinished", Write::Unchanged).await;

    for (refused, verdict) in [
        (overtaken, Verdict::Superseded(1)),
        (early, Verdict::Stale(1)),
        (lost, Verdict::Stale(1)),
        (changed, Verdict::Changed(1)),
    ] {
        let key = refused.key.clone();
        let other = ledger.proposal("other", texts(&["d"])).await;
        let refused = ledger.commit(&mut [other, refused]).await.unwrap();
        assert_eq!(refused, verdict, "{key}");
    }
    let owners = ledger.owners(&["a", "b", "c", "d"]).await.unwrap();
    assert_eq!(owners, [const { None }; 4]);
}

/// Kills: a `finish` that takes every answer for the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_ticket_was_lost_on_the_way_does_not_end() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let proposal = ledger.proposal("o", texts(&["a"])).await;
    ledger.announce(0, &proposal).await.unwrap().unwrap();
    assert!(ledger.finish(&proposal).await.unwrap());
    ledger.lose_record("o").await;
    assert!(!ledger.finish(&proposal).await.unwrap());
}

/// A failover at home has undone what is recorded there, and the clock is behind: each slot knows of a later ticket
/// than the one before.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_ticket_is_later_than_any_that_a_hash_slot_knows_of() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let keys: Vec<String> = (0..40).map(|number| format!("k{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut slots: Vec<Slot> = keys.iter().map(|key| Slot::of(key)).collect();
    slots.sort_unstable();
    for (later, slot) in slots.into_iter().enumerate() {
        let mut part = redis::cmd("HSET");
        let ticket = 8_000_000_000_000_000 + 1_000_000 * later;
        part.arg(ledger.names.part(slot, "o"))
            .arg("ticket")
            .arg(ticket);
        ledger.send::<u64>(&part).await.unwrap();
    }
    for verdict in [Verdict::Stale(0), Verdict::Committed] {
        let proposal = ledger.proposal("o", texts(&keys)).await;
        assert_eq!(ledger.commit(&mut [proposal]).await.unwrap(), verdict);
    }
}

/// Redis has lost a record, and its clock is behind what it was: what the object has written tells how late its tickets
/// were.
///
/// Kills: an object that nobody can commit until the clock has passed.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_ticket_is_later_than_any_that_the_object_has_written_under() {
    let redis = Redis::start().await.unwrap();
    let cluster = RedisCluster::start().await.unwrap();
    for ledger in [
        Ledger::in_redis(&redis, false),
        Ledger::in_redis(&cluster.primaries()[0], true),
    ] {
        let mut owner = redis::cmd("HSET");
        owner
            .arg(ledger.names.owners_of("k"))
            .arg("k")
            .arg(format!("{} config/o", mark(8_000_000_000_000_000)));
        ledger.send::<u64>(&owner).await.unwrap();
        for verdict in [Verdict::Stale(0), Verdict::Committed] {
            let proposal = ledger.proposal("o", texts(&["k"])).await;
            assert_eq!(ledger.commit(&mut [proposal]).await.unwrap(), verdict);
        }
    }
}

/// The record is lost between what a worker has written and its end, and what it has read is not so any more when it
/// begins again.
///
/// Kills: hash slots that nobody knows of, in which the entries of a deleted object stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_begins_again_goes_to_the_slots_that_it_has_written_to() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let written = ledger.proposal("o", texts(&["a", "b"])).await;
    ledger.commit(&mut [written.clone()]).await.unwrap();
    ledger.lose_record("o").await;
    assert!(!ledger.finish(&written).await.unwrap());
    let again = Proposal {
        touched: written.touches(),
        ..ledger.proposal("o", texts(&[])).await
    };
    let verdict = ledger.commit(&mut [again]).await.unwrap();
    assert_eq!(verdict, Verdict::Committed);
    let owners = ledger.owners(&["a", "b"]).await.unwrap();
    assert_eq!(owners, [const { None }; 2]);
}

/// Of a joint commit one object was overtaken in a slot; in another one, a staged value is gone, and nothing was written.
///
/// Kills: taking that for the first alone, after which the others would be at their end.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_at_the_end_of_a_commit_of_which_a_slot_is_not_written() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let large = Entry {
        key: "large".to_owned(),
        value: Value::Bytes(vec![b'x'; 1 << 20]),
        ttl_seconds: None,
    };
    let large = Write::Entries(EntrySet::new(vec![large], "", None).unwrap());
    let proposals = [
        ledger.proposal("overtaken", texts(&["a"])).await,
        ledger.proposal("large", large).await,
    ];
    let mut announced = Vec::new();
    for (place, proposal) in proposals.iter().enumerate() {
        let slots = ledger.announce(place, proposal).await.unwrap().unwrap();
        announced.push(slots);
    }
    let concerned = announced.iter().flatten().copied().collect();
    let nowhere = ledger.names_to_stage(&proposals);
    let decide = |phase| ledger.decide_in(&concerned, &announced, phase, &proposals, &nowhere);
    let reserved = decide(Phase::Reserve).await.unwrap();
    assert!(matches!(reserved, Attempt::Verdict(Verdict::Committed)));
    let mut later = redis::cmd("HSET");
    later
        .arg(ledger.names.part(Slot::of("a"), "overtaken"))
        .arg("ticket")
        .arg(proposals[0].ticket.number + 1);
    ledger.send::<u64>(&later).await.unwrap();
    let applied = decide(Phase::Apply).await.unwrap();
    assert!(matches!(applied, Attempt::Unstaged));
}

/// The record of an object is lost, so that nothing says any more in which slots it is.
///
/// Kills: a conflict with an object of the same commit that a slot is not told of.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_committed_together_is_not_in_the_way_where_its_record_was_lost() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let had = ledger.proposal("had", texts(&["k"])).await;
    ledger.commit(&mut [had]).await.unwrap();
    ledger.lose_record("had").await;
    let given_up = ledger.proposal("had", texts(&[])).await;
    let takes = ledger.proposal("takes", texts(&["k"])).await;
    let verdict = ledger.commit(&mut [takes, given_up]).await.unwrap();
    assert_eq!(verdict, Verdict::Committed);
    let owner = ledger.owners(&["k"]).await.unwrap().pop().flatten();
    assert!(owner.unwrap().ends_with(" config/takes"));
}

/// What is recorded in a slot is of the objects that have been there: of hundreds that one takes the place of, each was in
/// its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_leaves_nothing_in_the_slots_of_others_that_it_is_committed_with() {
    let cluster = RedisCluster::start().await.unwrap();
    let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
    let keys: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut all = Vec::new();
    for key in &keys {
        let one = ledger.proposal(key, texts(&[key])).await;
        ledger.commit(&mut [one]).await.unwrap();
        all.push(ledger.proposal(key, texts(&[])).await);
    }
    all.push(ledger.proposal("all", texts(&keys)).await);
    let verdict = ledger.commit(&mut all).await.unwrap();
    assert_eq!(verdict, Verdict::Committed);
    let mut parts = 0;
    for node in cluster.primaries() {
        let found = node.command(&["KEYS", "redis-sync:*part:*"]).await.unwrap();
        parts += found.lines().filter(|line| !line.is_empty()).count();
    }
    assert_eq!(parts, 2 * keys.len());
}
