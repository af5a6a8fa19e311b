//! What is to be committed, and what became of it.

use super::packed::{is_large, largest_element};
use super::record::fields::raw;
use super::record::{Commit, Record, Source};
use super::slot::Slot;
use crate::entry::{Entry, EntrySet, MAX_KEYS_BYTES};
use crate::number::to_u64;
use std::collections::BTreeSet;

/// The right to commit what is read from now on.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The number; the later, the larger.
    pub number: u64,
    /// What was recorded when the ticket was taken.
    pub record: Record,
}

/// What one object is to be. A ticket is for one proposal: who evaluates the object anew takes a new
/// one.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The object's key.
    pub key: String,
    /// The ticket taken before anything was read.
    pub ticket: Ticket,
    /// What it was made from.
    pub source: Source,
    /// What it yields.
    pub write: Write,
    /// Where its worker may have written of it under earlier tickets.
    pub touched: Touched,
}

/// Hash slots of a cluster. Where the record at home is lost, nobody else knows of them.
#[derive(Clone, Debug, Default)]
pub struct Touched(BTreeSet<Slot>);

/// What is to be written.
#[derive(Clone, Debug)]
pub enum Write {
    /// These entries.
    Entries(EntrySet),
    /// Nothing: what is recorded is still right, as long as the record says the same.
    Unchanged,
}

/// What became of proposals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They hold now.
    Committed,
    /// A later ticket of that proposal has committed.
    Superseded(usize),
    /// The ticket of that proposal does not count any more: its record was lost, a later worker is at
    /// it (on a cluster), or what it has changed meanwhile. What is read under a new ticket may be
    /// committed.
    Stale(usize),
    /// That proposal says [`Write::Unchanged`], but its record or its keys are not so.
    Changed(usize),
    /// That proposal claims a key that is not free.
    Conflict {
        /// The proposal.
        proposal: usize,
        /// The Redis key.
        redis_key: String,
        /// Who has it.
        taken_by: TakenBy,
    },
}

impl Verdict {
    /// The same where what it counts by are the proposals that have these places.
    pub(super) fn at(self, places: &[usize]) -> Self {
        let at = |place: usize| places.get(place).copied().unwrap_or(place);
        match self {
            Self::Committed => Self::Committed,
            Self::Superseded(place) => Self::Superseded(at(place)),
            Self::Stale(place) => Self::Stale(at(place)),
            Self::Changed(place) => Self::Changed(at(place)),
            Self::Conflict {
                proposal,
                redis_key,
                taken_by,
            } => Self::Conflict {
                proposal: at(proposal),
                redis_key,
                taken_by,
            },
        }
    }
}

/// Who has a Redis key that a proposal claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// An object of this bucket, by its key.
    Object(String),
    /// An object of another bucket, as `bucket/key`.
    OtherBucket(String),
    /// An object of this bucket, of a deployment with another prefix, as `bucket@prefix/key`.
    OtherPrefix(String),
    /// Somebody else than Redis Sync.
    Stranger,
}

impl Proposal {
    /// The Redis keys that the object is to have. Those of an object that stays as it is are recorded.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let recorded = match self.write {
            Write::Entries(_) => &[],
            Write::Unchanged => self.recorded_keys(),
        };
        let written = self.entries().iter().map(|entry| entry.key.as_str());
        written.chain(recorded.iter().map(String::as_str))
    }

    /// Where its worker may have written of it by the end of its commit.
    pub fn touches(&self) -> Touched {
        let mut touched = self.touched.clone();
        touched.0.extend(self.slots());
        touched
    }

    /// The hash slots of the keys that the object is to have.
    pub(super) fn slots(&self) -> BTreeSet<Slot> {
        self.keys().map(Slot::of).collect()
    }

    /// The same, and where its worker may have written of it before.
    pub(super) fn all_slots(&self) -> BTreeSet<Slot> {
        self.touches().0
    }

    /// Whether the object is to have that Redis key.
    pub fn claims(&self, redis_key: &str) -> bool {
        self.keys().any(|key| key == redis_key)
    }

    /// The Redis keys that the object had when the ticket was taken.
    pub(super) fn recorded_keys(&self) -> &[String] {
        self.ticket.record.keys.as_deref().unwrap_or_default()
    }

    /// The entries to write.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.write {
            Write::Entries(set) => set.entries(),
            Write::Unchanged => &[],
        }
    }

    /// Digest of what the object is to have.
    pub(super) fn digest(&self) -> &str {
        match &self.write {
            Write::Entries(set) => set.digest(),
            Write::Unchanged => self.ticket.record.digest.as_deref().unwrap_or_default(),
        }
    }

    /// The same as a record has it.
    pub(super) fn raw_digest(&self) -> Vec<u8> {
        raw(self.digest())
    }

    /// The bytes of keys and content that are on their way at a time, at the most: all that is sent
    /// with the commit, and the largest element that is sent before.
    pub fn sent_bytes(&self) -> u64 {
        let (mut together, mut largest) = (0, 0);
        for entry in self.entries() {
            if is_large(&entry.value) {
                largest = largest_element(&entry.value).max(largest);
            } else {
                together += entry.key.len() + entry.value.size();
            }
        }
        to_u64(together.max(largest))
    }

    /// The Redis keys that its commit is about: those it is to have and those it had.
    pub fn number_of_keys(&self) -> usize {
        self.entries().len() + self.recorded_keys().len()
    }

    /// The bytes of the Redis keys that it had; as many as there may be of a long list, which is not read yet.
    pub fn recorded_bytes(&self) -> u64 {
        let record = &self.ticket.record;
        to_u64(match &record.keys {
            Some(keys) => keys.iter().map(String::len).sum(),
            None if record.committed > 0 => MAX_KEYS_BYTES,
            None => 0,
        })
    }

    /// Whether entries are to be written.
    pub(super) fn writes(&self) -> bool {
        matches!(self.write, Write::Entries(_))
    }

    /// What its commit records.
    pub(super) fn commit(&self) -> Commit<'_> {
        Commit {
            digest: self.digest(),
            source: &self.source,
        }
    }

    /// Whether the object is in the bucket.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.source, Source::Object { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Value;

    fn proposal(record: Record, values: Vec<(&str, Value)>) -> Proposal {
        let entry = |(key, value): (&str, Value)| Entry {
            key: key.to_owned(),
            value,
            ttl_seconds: None,
        };
        let entries = values.into_iter().map(entry).collect();
        Proposal {
            key: "o".into(),
            ticket: Ticket { number: 2, record },
            source: Source::Gone,
            write: Write::Entries(EntrySet::new(entries, "", None).unwrap()),
            touched: Touched::default(),
        }
    }

    #[test]
    fn what_is_sent_is_all_small_values_together_or_the_largest_element() {
        let bytes = |length| Value::Bytes(vec![0; length]);
        let list = |length| Value::List(vec![vec![0; length], vec![0; 300 << 10]]);
        for (values, sent) in [
            (vec![("a", bytes(10)), ("bcd", bytes(100))], 114),
            (vec![("a", bytes(10)), ("b", bytes(1 << 20))], 11),
            (
                vec![("a", bytes(10)), ("b", list(400 << 10)), ("c", list(1))],
                400 << 10,
            ),
            (
                vec![
                    ("a", bytes(200 << 10)),
                    ("b", bytes(200 << 10)),
                    ("c", list(1)),
                ],
                (400 << 10) + 2,
            ),
        ] {
            assert_eq!(proposal(Record::default(), values).sent_bytes(), sent);
        }
    }

    #[test]
    fn a_proposal_claims_the_keys_that_it_yields() {
        let of_a = proposal(Record::default(), vec![("a", Value::Bytes(Vec::new()))]);
        assert!(of_a.claims("a") && !of_a.claims("b"));
    }

    #[test]
    fn a_list_of_keys_that_is_not_read_is_as_long_as_it_may_be() {
        let recorded = |committed, keys: Option<&[&str]>| {
            let keys = keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
            let record = Record {
                committed,
                keys,
                ..Record::default()
            };
            proposal(record, Vec::new()).recorded_bytes()
        };
        assert_eq!(recorded(0, None), 0);
        assert_eq!(recorded(1, None), to_u64(MAX_KEYS_BYTES));
        assert_eq!(recorded(1, Some(&["ab", "cde"])), 5);
    }
}
