//! Committing to a cluster, where a script may touch one hash slot only.
//!
//! The object's record is at home in one slot; what it has in another slot is recorded there, with
//! the ticket that brought it about (a *part*). A commit
//!
//! 1. looks for conflicts in every slot it is to write to, and writes nothing if there is one;
//! 2. **announces** itself at home: an announced ticket keeps earlier ones from starting, and the
//!    record learns every slot before it is touched;
//! 3. calls the commit script in every slot that the object was ever in, also where nothing of it
//!    is left: a part with a later ticket is never overwritten, so that a straggler can do no harm;
//! 4. **finishes** at home.
//!
//! A worker that dies in between leaves a ticket announced and not committed. Then nobody takes the
//! record for what Redis holds ([`Write::Keep`](super::Write::Keep) is refused), and the next
//! delivery writes everything. The same heals the rare conflict that comes about after step 1. Nor
//! does anybody rely on a later ticket that has not finished ([`Verdict::Stale`]): its worker may
//! have taken it on behalf of another object, and its event may never come again for this one.
//!
//! All names of keys are in KEYS, as ElastiCache Serverless wants it, and all values in one
//! argument: its 3,999 arguments a request are room for 3,990 keys in one hash slot, those that
//! objects had and those they are to have taken together. It refuses more.

use super::answer::Answer;
use super::commit::{Plan, Verdict};
use super::request::{Part, Share};
use super::script::{ANNOUNCE, Call, FINISH};
use super::slot::Slot;
use super::stage::Staged;
use super::{Ledger, LedgerError};
use crate::entry::Entry;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Hash slots in which the script is called at a time.
const SLOTS_AT_ONCE: usize = 256;

impl Ledger {
    /// Commits slot by slot; `None` where staged values are gone.
    pub(super) async fn commit_spread(
        &self,
        plans: &[Plan<'_>],
        staged: &BTreeMap<String, Staged>,
    ) -> Result<Option<Verdict>, LedgerError> {
        let new: BTreeSet<Slot> = plans.iter().flat_map(Plan::slots).collect();
        let checked = self.apply_in(&new, plans, true, staged).await?;
        if !matches!(checked, Some(Verdict::Committed)) {
            return Ok(checked);
        }
        let mut concerned = BTreeSet::new();
        for (place, plan) in plans.iter().enumerate() {
            match self.announce(place, plan).await? {
                Ok(slots) => concerned.extend(slots),
                Err(verdict) => return Ok(Some(verdict)),
            }
        }
        let applied = self.apply_in(&concerned, plans, false, staged).await?;
        if matches!(applied, Some(Verdict::Committed)) {
            try_join_all(plans.iter().map(|plan| self.finish(plan))).await?;
        }
        Ok(applied)
    }

    /// Calls the commit script in these slots, many at a time.
    async fn apply_in(
        &self,
        slots: &BTreeSet<Slot>,
        plans: &[Plan<'_>],
        check: bool,
        staged: &BTreeMap<String, Staged>,
    ) -> Result<Option<Verdict>, LedgerError> {
        let manner = &self.manner(check);
        let mut parts = self.parts(slots, plans);
        while !parts.is_empty() {
            let now = parts.split_off(parts.len().saturating_sub(SLOTS_AT_ONCE));
            let calls = now.into_iter().map(|part| self.apply(part, manner, staged));
            for verdict in try_join_all(calls).await? {
                let Some(Verdict::Committed) = verdict else {
                    return Ok(verdict);
                };
            }
        }
        Ok(Some(Verdict::Committed))
    }

    fn parts<'a>(&self, slots: &BTreeSet<Slot>, plans: &'a [Plan<'a>]) -> Vec<Part<'a>> {
        let mut pieces: Vec<_> = plans.iter().map(Pieces::of).collect();
        let mut part = |slot: &Slot| {
            let mut part = Part {
                owners: self.names.owners(Some(*slot)),
                index: None,
                shares: Vec::with_capacity(plans.len()),
                undeclared: BTreeSet::new(),
            };
            for (plan, pieces) in plans.iter().zip(&mut pieces) {
                let entries = pieces.entries.remove(slot).unwrap_or_default();
                part.shares.push(Share {
                    proposal: plan.proposal,
                    record: self.names.part(*slot, &plan.proposal.key),
                    digest: &plan.digest,
                    keys: pieces.keys.remove(slot).unwrap_or_default(),
                    entries: plan.writes().then_some(entries),
                });
                part.undeclared
                    .extend(pieces.recorded.remove(slot).unwrap_or_default());
            }
            part
        };
        slots.iter().map(&mut part).collect()
    }

    /// All slots that may hold something of the object, or why it must not be committed.
    async fn announce(
        &self,
        place: usize,
        plan: &Plan<'_>,
    ) -> Result<Result<Vec<Slot>, Verdict>, LedgerError> {
        let call = &self
            .at_home(Call::new(&ANNOUNCE), plan)
            .argument(if plan.writes() { "0" } else { "1" })
            .argument(plan.digest.as_str())
            .argument(slots_json(plan));
        let answer: Vec<Answer> = self.call(call).await?;
        let slots = answer.iter().skip(1).map(Answer::number);
        let slots = slots.filter_map(Slot::from_number).collect();
        Ok(match answer.first().map(Answer::text).as_deref() {
            Some("announced") => Ok(slots),
            Some("superseded") => Err(Verdict::Superseded(place)),
            Some("stale") => Err(Verdict::Stale(place)),
            _ => Err(Verdict::Changed(place)),
        })
    }

    async fn finish(&self, plan: &Plan<'_>) -> Result<(), LedgerError> {
        let source = &plan.proposal.source;
        let keys = serde_json::to_vec(&plan.keys).unwrap_or_default();
        let ticket = plan.proposal.ticket.number.to_string();
        let written = plan
            .writes()
            .then(|| [b"written".to_vec(), ticket.into_bytes()]);
        let call = &self
            .at_home(Call::new(&FINISH), plan)
            .argument(if source.is_live() { "1" } else { "0" })
            .argument(self.tombstone.as_secs().to_string())
            .argument(slots_json(plan))
            .arguments(source.fields().into_iter().map(String::into_bytes))
            .argument("digest")
            .argument(plan.digest.as_str())
            .argument("keys")
            .argument(keys)
            .arguments(written.into_iter().flatten());
        self.call(call).await
    }

    fn at_home(&self, call: Call, plan: &Plan<'_>) -> Call {
        let key = plan.proposal.key.as_str();
        call.key(self.names.record(key))
            .key(self.names.index(key))
            .argument(plan.proposal.ticket.number.to_string())
            .argument(key)
    }
}

impl Plan<'_> {
    /// The slots of the keys.
    fn slots(&self) -> BTreeSet<Slot> {
        self.keys.iter().map(|key| Slot::of(key)).collect()
    }
}

/// What a plan has in each slot.
struct Pieces<'a> {
    keys: BTreeMap<Slot, Vec<&'a str>>,
    entries: BTreeMap<Slot, Vec<&'a Entry>>,
    /// Keys that the record lists.
    recorded: BTreeMap<Slot, BTreeSet<String>>,
}

impl<'a> Pieces<'a> {
    fn of(plan: &'a Plan<'a>) -> Self {
        let mut pieces = Self {
            keys: BTreeMap::new(),
            entries: BTreeMap::new(),
            recorded: BTreeMap::new(),
        };
        for key in &plan.keys {
            pieces.keys.entry(Slot::of(key)).or_default().push(key);
        }
        for entry in plan.entries() {
            let slot = Slot::of(&entry.key);
            pieces.entries.entry(slot).or_default().push(entry);
        }
        for key in plan.proposal.ticket.record.keys.iter().flatten() {
            let recorded = pieces.recorded.entry(Slot::of(key)).or_default();
            recorded.insert(key.clone());
        }
        pieces
    }
}

fn slots_json(plan: &Plan<'_>) -> Vec<u8> {
    let slots: Vec<u16> = plan.slots().into_iter().map(Slot::number).collect();
    serde_json::to_vec(&slots).unwrap_or_default()
}
