//! What Redis holds of the bucket's objects, and what changed in it.

use crate::diff;
use redis_sync::entry::Entry;
use redis_sync::ledger::{Ledger, LedgerError, Reading, Start};
use std::collections::{BTreeMap, BTreeSet};

/// Records that are looked up in one round trip.
const RECORDS_AT_ONCE: usize = 1000;

/// What each object has in Redis.
#[derive(Default)]
pub(super) struct Held(BTreeMap<String, Written>);

/// What an object has in Redis.
#[derive(Default)]
struct Written {
    /// The ticket under which that was written.
    ticket: u64,
    entries: Vec<Entry>,
}

/// What changed in Redis.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// What was there, of the objects that were written anew.
    before: Vec<Entry>,
    /// What is there.
    after: Vec<Entry>,
}

impl Change {
    /// A line a key and field.
    pub(super) fn lines(&self) -> Vec<String> {
        diff::entries(&self.before, &self.after)
    }
}

impl Held {
    /// Looks at the objects that were written since the last time.
    pub(super) async fn look(&mut self, ledger: &Ledger) -> Result<Change, LedgerError> {
        let mut change = Change::default();
        let (mut from, mut seen) = (Start::At(String::new()), BTreeSet::new());
        loop {
            let keys = ledger.indexed(&from, None, RECORDS_AT_ONCE).await?;
            let records = ledger.records(&keys).await?;
            for (key, record) in keys.iter().zip(records) {
                let known = self.0.get(key).map_or(0, |written| written.ticket);
                if record.written == known && record.is_live() == self.has(key) {
                    continue;
                }
                let entries = entries(ledger, key).await?;
                let written = Written {
                    ticket: record.written,
                    entries: entries.clone(),
                };
                let before = self.0.insert(key.clone(), written).unwrap_or_default();
                change.before.extend(before.entries);
                change.after.extend(entries);
            }
            let next = keys.last().filter(|_| keys.len() == RECORDS_AT_ONCE);
            let next = next.cloned().map(Start::After);
            seen.extend(keys);
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        // The record of a deleted object is in no index.
        let gone = self.0.extract_if(.., |key, _| !seen.contains(key));
        change
            .before
            .extend(gone.flat_map(|(_, written)| written.entries));
        Ok(change)
    }

    /// What all objects have.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entries = self.0.values().flat_map(|written| &written.entries);
        entries.cloned().collect()
    }

    /// Whether an object had entries.
    fn has(&self, key: &str) -> bool {
        self.0
            .get(key)
            .is_some_and(|written| !written.entries.is_empty())
    }
}

/// What an object has in Redis, as far as it is there.
async fn entries(ledger: &Ledger, object: &str) -> Result<Vec<Entry>, LedgerError> {
    let mut entries = Vec::new();
    for key in ledger.written_keys(object).await? {
        if let Reading::Value(value) = ledger.read(&key, u64::MAX).await? {
            entries.push(Entry {
                key,
                value,
                ttl_seconds: None,
            });
        }
    }
    Ok(entries)
}
