//! Committing to a cluster, where a script may touch one hash slot only.
//!
//! The object's record is at home in one slot; what it has in another slot is recorded there, with
//! the ticket that brought it about (a *part*). A commit
//!
//! 1. looks for conflicts in every slot it is to write to, and writes nothing if there is one;
//! 2. **announces** itself at home: an announced ticket keeps earlier ones from starting, and the
//!    record learns every slot before it is touched;
//! 3. **reserves** every key that it is to write, in every slot, and gives up where one of them was taken since
//!    step 1: what it has reserved it gives back, and nothing has changed. Keys that the object has already are
//!    reserved too, since a joint commit may give them to another object; and what other workers had reserved
//!    before stays so when this one gives up (`lua/reservations.lua`);
//! 4. **applies** it in every slot that the object was ever in, also where nothing of it
//!    is left: a part with a later ticket is never overwritten, so that a straggler can do no harm;
//! 5. **finishes** at home.
//!
//! Of a joint commit, an object of which a later ticket comes between is left to that one. The others go on:
//! they have written to some slots, and have reserved what they need in the rest.
//!
//! A worker that dies in between leaves a ticket announced and not committed. Then nobody takes the
//! record for what Redis holds ([`Write::Unchanged`](super::Write::Unchanged) is refused), and the next
//! delivery writes everything. Where that fails, a full sync gives back what has been reserved for an hour. Nothing
//! is applied that is not reserved. Nor does anybody rely on a later ticket that has not finished
//! ([`Verdict::Stale`]): its worker may have taken it on behalf of another object, and its event may never come again
//! for this one.
//!
//! A script is told of the objects that have something in its slot, or may have. Where the owner of a key turns out to
//! be another one of the same commit, it is called once more with that one as well.
//!
//! All names of keys are in KEYS, as ElastiCache Serverless wants it, and all values in one
//! argument: its 3,999 arguments a request are room for 3,990 keys in one hash slot, those that
//! objects had and those they are to have taken together. It refuses more.

use super::answer::{Word, unknown};
use super::call::{ANNOUNCE, APPLY, CHECK, Call, FINISH, RESERVE, UNRESERVE};
use super::commit::Attempt;
use super::proposal::{Proposal, TakenBy, Verdict};
use super::request::{Request, Share};
use super::slot::Slot;
use super::stage::AllStaged;
use super::{Ledger, LedgerError};
use crate::entry::Entry;
use futures::future::try_join_all;
use redis::Script;
use std::collections::{BTreeMap, BTreeSet};

/// Hash slots in which a script is called at a time.
const SLOTS_AT_ONCE: usize = 256;

impl Ledger {
    /// Commits slot by slot.
    pub(super) async fn commit_by_slot(
        &self,
        proposals: &[Proposal],
        staged: &AllStaged,
    ) -> Result<Attempt, LedgerError> {
        let new: BTreeSet<Slot> = proposals.iter().flat_map(Proposal::slots).collect();
        let known: Vec<BTreeSet<Slot>> = proposals.iter().map(known_slots).collect();
        let checked = self
            .decide_in(&new, &known, Phase::Check, proposals, staged)
            .await?;
        let Attempt::Verdict(Verdict::Committed) = checked else {
            return Ok(checked);
        };
        let mut announced = Vec::with_capacity(proposals.len());
        for (place, proposal) in proposals.iter().enumerate() {
            match self.announce(place, proposal).await? {
                Ok(slots) => announced.push(slots),
                Err(verdict) => return Ok(Attempt::Verdict(verdict)),
            }
        }
        let writing = proposals.iter().filter(|proposal| proposal.writes());
        let to_reserve = writing.flat_map(Proposal::slots).collect();
        let reserved = self
            .decide_in(&to_reserve, &announced, Phase::Reserve, proposals, staged)
            .await;
        match &reserved {
            Ok(Attempt::Verdict(Verdict::Committed)) => {}
            // Whoever needs the keys before the next attempt waits until that is long ago (`orphans`).
            Err(LedgerError::Unavailable { .. }) => return reserved,
            _ => {
                self.unreserve(proposals).await?;
                return reserved;
            }
        }
        let concerned = announced.iter().flatten().copied().collect();
        let applied = self
            .decide_in(&concerned, &announced, Phase::Apply, proposals, staged)
            .await?;
        let overtaken = match &applied {
            Attempt::Verdict(Verdict::Committed) => &BTreeMap::new(),
            Attempt::Overtaken(tickets) => tickets,
            _ => return Ok(applied),
        };
        let applied_to = proposals.iter().enumerate();
        let finishing = applied_to
            .filter(|(place, _)| !overtaken.contains_key(place))
            .map(|(place, proposal)| async move {
                let is_finished = self.finish(proposal).await?;
                Ok::<_, LedgerError>((!is_finished).then_some(place))
            });
        let unfinished = try_join_all(finishing).await?;
        Ok(match unfinished.into_iter().flatten().next() {
            Some(place) => Attempt::Verdict(Verdict::Stale(place)),
            None => applied,
        })
    }

    /// Gives back what was reserved for a commit that cannot be.
    async fn unreserve(&self, proposals: &[Proposal]) -> Result<(), LedgerError> {
        let call = |(slot, proposal): (Slot, &Proposal)| {
            Call::new(&UNRESERVE)
                .key(self.names.owners(Some(slot)))
                .key(self.names.part(slot, &proposal.key))
                .argument(proposal.ticket.number.to_string())
                .argument(self.names.object(&proposal.key))
        };
        let writing = proposals.iter().filter(|proposal| proposal.writes());
        let pairs = writing.flat_map(|proposal| {
            let slots = proposal.slots().into_iter();
            slots.map(move |slot| (slot, proposal))
        });
        let calls: Vec<Call> = pairs.map(call).collect();
        for calls in calls.chunks(SLOTS_AT_ONCE) {
            try_join_all(calls.iter().map(|call| self.call::<u64>(call))).await?;
        }
        Ok(())
    }

    /// Takes this step in these slots, many at a time, until one of them says no; where an object was overtaken,
    /// has its next ticket be later than any that they know of. Each is told of the proposals that it is `concerned`
    /// with. That a staged value is not there counts only where nothing else is in the way; but where the others have
    /// been written by then, none of them is at its end.
    async fn decide_in(
        &self,
        slots: &BTreeSet<Slot>,
        concerned: &[BTreeSet<Slot>],
        phase: Phase,
        proposals: &[Proposal],
        staged: &AllStaged,
    ) -> Result<Attempt, LedgerError> {
        let (mut unstaged, mut refusal) = (false, None);
        // The latest ticket of each proposal that a hash slot knows of: later than all of these is to be the next.
        let mut overtaken: BTreeMap<usize, u64> = BTreeMap::new();
        let mut requests = self.requests(slots, concerned, proposals);
        while !requests.is_empty() {
            let now = requests.split_off(requests.len().saturating_sub(SLOTS_AT_ONCE));
            let calls = now
                .into_iter()
                .map(|(slot, request)| self.decide_at(slot, phase, request, proposals, staged));
            for attempt in try_join_all(calls).await? {
                match attempt {
                    Attempt::Verdict(Verdict::Committed) => {}
                    Attempt::Verdict(verdict) => {
                        refusal.get_or_insert(verdict);
                    }
                    Attempt::Overtaken(tickets) => {
                        for (place, ticket) in tickets {
                            let latest = overtaken.entry(place).or_default();
                            *latest = ticket.max(*latest);
                        }
                    }
                    Attempt::Unstaged => unstaged = true,
                }
            }
            // What is reserved would be given back.
            let is_in_vain = !overtaken.is_empty() && phase == Phase::Reserve;
            if refusal.is_some() || is_in_vain {
                break;
            }
        }
        for (place, ticket) in &overtaken {
            if let Some(proposal) = proposals.get(*place) {
                self.raise(proposal, *ticket).await?;
            }
        }
        if let Some(refusal) = refusal {
            return Ok(Attempt::Verdict(refusal));
        }
        let is_in_part = unstaged && phase == Phase::Apply;
        Ok(if !overtaken.is_empty() && !is_in_part {
            Attempt::Overtaken(overtaken)
        } else if unstaged {
            Attempt::Unstaged
        } else {
            Attempt::Verdict(Verdict::Committed)
        })
    }

    /// Takes this step in a slot: once more where the owner of a key is one of these proposals that it was not
    /// told of.
    async fn decide_at<'a>(
        &self,
        slot: Slot,
        phase: Phase,
        mut request: Request<'a>,
        proposals: &'a [Proposal],
        staged: &AllStaged,
    ) -> Result<Attempt, LedgerError> {
        loop {
            let attempt = self.decide(phase.script(), &mut request, staged).await?;
            let owner = match &attempt {
                Attempt::Verdict(Verdict::Conflict {
                    taken_by: TakenBy::Object(owner),
                    ..
                }) => owner,
                _ => return Ok(attempt),
            };
            let is_told = |place: usize| request.shares.iter().any(|share| share.place == place);
            let mut all = proposals.iter().enumerate();
            let among = all.find(|(place, one)| one.key == *owner && !is_told(*place));
            let Some((place, proposal)) = among else {
                return Ok(attempt);
            };
            let share = self.share(slot, place, proposal, &mut Pieces::default());
            request.shares.push(share);
        }
    }

    /// What a proposal has in a slot, which is taken from its pieces.
    fn share<'a>(
        &self,
        slot: Slot,
        place: usize,
        proposal: &'a Proposal,
        pieces: &mut Pieces<'a>,
    ) -> Share<'a> {
        let earlier = self.names.earlier();
        Share {
            proposal,
            place,
            record: self.names.part(slot, &proposal.key),
            earlier: earlier.map(|names| names.part(slot, &proposal.key)),
            keys: pieces.keys.remove(&slot).unwrap_or_default(),
            entries: pieces.entries.remove(&slot).unwrap_or_default(),
            recorded: pieces.recorded.remove(&slot).unwrap_or_default(),
        }
    }

    fn requests<'a>(
        &self,
        slots: &BTreeSet<Slot>,
        concerned: &[BTreeSet<Slot>],
        proposals: &'a [Proposal],
    ) -> Vec<(Slot, Request<'a>)> {
        let mut told: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for (place, concerned) in concerned.iter().enumerate() {
            for slot in concerned {
                told.entry(*slot).or_default().push(place);
            }
        }
        let mut pieces: Vec<_> = proposals.iter().map(Pieces::of).collect();
        let request = |slot: &Slot| {
            let mut request = Request {
                owners: self.names.owners(Some(*slot)),
                index: None,
                shares: Vec::new(),
                known: BTreeSet::new(),
            };
            for place in told.remove(slot).unwrap_or_default() {
                let share = self.share(*slot, place, &proposals[place], &mut pieces[place]);
                let recorded = share.recorded.iter().map(|key| (*key).to_owned());
                request.known.extend(recorded);
                request.shares.push(share);
            }
            (*slot, request)
        };
        slots.iter().map(request).collect()
    }

    /// All slots that may hold something of the object, or why it must not be committed.
    pub(super) async fn announce(
        &self,
        place: usize,
        proposal: &Proposal,
    ) -> Result<Result<BTreeSet<Slot>, Verdict>, LedgerError> {
        let call = &self
            .at_home(Call::new(&ANNOUNCE), proposal)
            .argument(if proposal.writes() { "0" } else { "1" })
            .argument(proposal.raw_digest())
            .argument(json(proposal.all_slots()))
            .argument(self.names.prefix());
        let answer: Vec<Word> = self.call(call).await?;
        match answer.as_slice() {
            [Word::Text(name), slots @ ..] if name == "announced" => {
                let slots = slots.iter().filter_map(|slot| match slot {
                    Word::Number(number) => Slot::from_number(*number),
                    Word::Text(_) => None,
                });
                Ok(Ok(slots.collect()))
            }
            [Word::Text(name)] if name == "superseded" => Ok(Err(Verdict::Superseded(place))),
            [Word::Text(name)] if name == "stale" => Ok(Err(Verdict::Stale(place))),
            [Word::Text(name)] if name == "changed" => Ok(Err(Verdict::Changed(place))),
            words => Err(self.link.refused(unknown(words))),
        }
    }

    /// Whether its ticket still counts.
    async fn finish(&self, proposal: &Proposal) -> Result<bool, LedgerError> {
        let keys: Vec<&str> = proposal.keys().collect();
        let call = &self
            .at_home(Call::new(&FINISH), proposal)
            .argument(if proposal.is_live() { "1" } else { "0" })
            .argument(self.tombstone.as_secs().to_string())
            .argument(json(proposal.slots()))
            .argument(self.names.prefix())
            .argument(if proposal.writes() { "1" } else { "0" })
            .arguments(proposal.commit().encode(&keys));
        let answer: Vec<Word> = self.call(call).await?;
        match answer.as_slice() {
            [Word::Text(name)] if name == "committed" => Ok(true),
            [Word::Text(name)] if name == "stale" => Ok(false),
            words => Err(self.link.refused(unknown(words))),
        }
    }

    fn at_home(&self, call: Call, proposal: &Proposal) -> Call {
        let key = proposal.key.as_str();
        let home = call.key(self.names.record(key)).key(self.names.index(key));
        let home = match self.names.earlier() {
            Some(earlier) => home.key(earlier.record(key)).key(earlier.index(key)),
            None => home,
        };
        home.argument(proposal.ticket.number.to_string())
            .argument(key)
    }
}

/// A step of a commit that is taken in several slots. Where nothing is in its way its script answers
/// [`Verdict::Committed`], though only the last one writes entries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Check,
    Reserve,
    Apply,
}

impl Phase {
    fn script(self) -> &'static Script {
        match self {
            Self::Check => &CHECK,
            Self::Reserve => &RESERVE,
            Self::Apply => &APPLY,
        }
    }
}

/// What a proposal has in each slot.
#[derive(Default)]
struct Pieces<'a> {
    keys: BTreeMap<Slot, Vec<&'a str>>,
    entries: BTreeMap<Slot, Vec<&'a Entry>>,
    /// Keys that the record lists.
    recorded: BTreeMap<Slot, Vec<&'a str>>,
}

impl<'a> Pieces<'a> {
    fn of(proposal: &'a Proposal) -> Self {
        let mut pieces = Self::default();
        for key in proposal.keys() {
            pieces.keys.entry(Slot::of(key)).or_default().push(key);
        }
        for entry in proposal.entries() {
            let slot = Slot::of(&entry.key);
            pieces.entries.entry(slot).or_default().push(entry);
        }
        for key in proposal.recorded_keys() {
            let recorded = pieces.recorded.entry(Slot::of(key)).or_default();
            recorded.push(key.as_str());
        }
        pieces
    }
}

/// The slots in which an object is to have something, or has, by its record.
fn known_slots(proposal: &Proposal) -> BTreeSet<Slot> {
    let recorded = proposal.recorded_keys().iter();
    let mut slots = proposal.slots();
    slots.extend(recorded.map(|key| Slot::of(key)));
    slots
}

fn json(slots: BTreeSet<Slot>) -> String {
    let slots: Vec<u16> = slots.into_iter().map(Slot::number).collect();
    serde_json::json!(slots).to_string()
}

#[cfg(test)]
mod tests;
