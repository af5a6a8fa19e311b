use super::*;
use crate::ledger::Write;
use crate::ledger::script_tests::{object, texts};
use redis_sync_local::RedisCluster;

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
        assert_eq!(self.ask::<u64>(&lose).await.unwrap(), 1);
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
        ledger.ask::<u64>(&part).await.unwrap();
    }
    for verdict in [Verdict::Stale(0), Verdict::Committed] {
        let proposal = ledger.proposal("o", texts(&keys)).await;
        assert_eq!(ledger.commit(&mut [proposal]).await.unwrap(), verdict);
    }
}
