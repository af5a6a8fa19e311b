//! Going through everything that Redis Sync has written, to find what was lost sight of.
//!
//! Where Redis has evicted an object's record or its place in the index, nothing leads from the
//! object to its keys any more; but each key still leads to its object.

use super::mark::Mark;
use super::record::list;
use super::script::{Call, RECLAIM};
use super::slot::Slot;
use super::{Ledger, LedgerError};
use std::collections::{BTreeMap, HashSet};

/// Hash slots of a cluster that are read at a time.
const HASHES_AT_ONCE: usize = 256;

/// Keys that one step asks for; Redis may give more.
const KEYS_A_STEP: usize = 1000;

/// The same of each of a cluster's hash slots.
const KEYS_OF_A_SLOT: usize = 50;

/// Where a walk through all owners is.
pub struct OwnersScan {
    /// Hashes that are not read to their end, with the place in each.
    pending: Vec<(String, u64)>,
}

/// Redis keys of one object which may be left over.
#[derive(Debug)]
pub struct OrphanCandidates {
    /// The object's key.
    pub object: String,
    /// Whether it is not in the index, though it should be: who goes by that does not meet it.
    pub is_lost: bool,
    /// Its keys that were not written by its last commit, with the tickets they were written under.
    keys: Vec<(String, u64)>,
}

impl OrphanCandidates {
    /// Whether any of its keys may be left over.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }
}

impl Ledger {
    /// A walk through all keys with an owner.
    pub fn scan_owners(&self) -> OwnersScan {
        OwnersScan {
            pending: self.names.all_owners().map(|hash| (hash, 0)).collect(),
        }
    }

    /// Goes on; says which objects of this bucket have something that is not as it should be.
    /// `None` at the end.
    pub async fn next_candidates(
        &self,
        inventory: &mut OwnersScan,
    ) -> Result<Option<Vec<OrphanCandidates>>, LedgerError> {
        if inventory.pending.is_empty() {
            return Ok(None);
        }
        let mut owned: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
        for (redis_key, noted) in self.step(inventory).await? {
            let Some(mark) = Mark::parse(&noted) else {
                continue;
            };
            if let Some(object) = self.names.key_of(&mark.object) {
                let keys = owned.entry(object.to_owned()).or_default();
                keys.push((redis_key, mark.ticket));
            }
        }
        let (objects, keys): (Vec<_>, Vec<_>) = owned.into_iter().unzip();
        let traces = self.traces(&objects).await?;
        let suspicion = |((object, mut keys), trace): ((_, Vec<(_, u64)>), Trace)| {
            keys.retain(|(_, ticket)| *ticket != trace.written);
            OrphanCandidates {
                object,
                is_lost: trace.is_lost,
                keys,
            }
        };
        let suspicions = objects.into_iter().zip(keys).zip(traces).map(suspicion);
        let some = suspicions.filter(|found| found.is_lost || !found.keys.is_empty());
        Ok(Some(some.collect()))
    }

    /// Keys and what is noted of them.
    async fn step(&self, inventory: &mut OwnersScan) -> Result<Vec<(String, String)>, LedgerError> {
        let left = inventory.pending.len().saturating_sub(HASHES_AT_ONCE);
        let now = inventory.pending.split_off(left);
        let count = if self.cluster {
            KEYS_OF_A_SLOT
        } else {
            KEYS_A_STEP
        };
        let commands = now.iter().map(|(hash, cursor)| {
            let mut command = redis::cmd("HSCAN");
            command.arg(hash).arg(cursor).arg("COUNT").arg(count);
            command
        });
        let read: Vec<(u64, Vec<(String, String)>)> = self.read_each(commands.collect()).await?;
        let mut owned = Vec::new();
        for ((hash, _), (cursor, pairs)) in now.into_iter().zip(read) {
            owned.extend(pairs);
            if cursor != 0 {
                inventory.pending.push((hash, cursor));
            }
        }
        Ok(owned)
    }

    async fn traces(&self, objects: &[String]) -> Result<Vec<Trace>, LedgerError> {
        let records = objects.iter().map(|key| {
            let mut command = redis::cmd("HMGET");
            let record = self.names.record(key);
            command.arg(record).arg(&["etag", "written"]);
            command
        });
        let records: Vec<(Option<String>, Option<u64>)> = self.read_each(records.collect()).await?;
        let places = objects.iter().map(|key| {
            let mut command = redis::cmd("ZSCORE");
            command.arg(self.names.index(key)).arg(key);
            command
        });
        let places: Vec<Option<f64>> = self.read_each(places.collect()).await?;
        // An object that was deleted leaves a record without an entity tag, outside of the index.
        let trace =
            |((etag, written), place): ((Option<String>, Option<u64>), Option<f64>)| Trace {
                is_lost: place.is_none() && etag.is_none_or(|etag| !etag.is_empty()),
                written: written.unwrap_or(0),
            };
        Ok(records.into_iter().zip(places).map(trace).collect())
    }

    /// Those of the keys that the object does not yield: written under an earlier ticket than its
    /// last entries were, and not listed among them. A commit that was announced and has not
    /// finished leaves that open.
    pub async fn orphans(&self, suspicion: &OrphanCandidates) -> Result<Orphans, LedgerError> {
        let record = self.names.record(&suspicion.object);
        let fields = ["ticket", "announced", "written", "keys"];
        let [ticket, announced, written, keys]: [Option<String>; 4] = self
            .ask(redis::cmd("HMGET").arg(record).arg(&fields))
            .await?;
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let (ticket, announced, written): (u64, u64, u64) =
            (number(ticket), number(announced), number(written));
        let listed = keys.as_deref().map(list).unwrap_or_default();
        let listed: HashSet<String> = listed.into_iter().collect();
        let is_stray = |(key, mark): &&(String, u64)| {
            ticket != 0 && announced <= ticket && *mark < written && !listed.contains(key)
        };
        Ok(Orphans {
            object: suspicion.object.clone(),
            keys: suspicion.keys.iter().filter(is_stray).cloned().collect(),
        })
    }

    /// Removes them, unless somebody has written them meanwhile. Says how many it were.
    pub async fn remove_orphans(&self, strays: &Orphans) -> Result<u64, LedgerError> {
        let mut by_slot: BTreeMap<Option<Slot>, Vec<&(String, u64)>> = BTreeMap::new();
        for stray in &strays.keys {
            let slot = self.cluster.then(|| Slot::of(&stray.0));
            by_slot.entry(slot).or_default().push(stray);
        }
        let mut removed = 0;
        for (slot, keys) in by_slot {
            let call = &self.reclaim_call(strays, slot, &keys);
            removed += self.call::<u64>(call).await?;
        }
        Ok(removed)
    }

    fn reclaim_call(&self, strays: &Orphans, slot: Option<Slot>, keys: &[&(String, u64)]) -> Call {
        let record = match slot {
            Some(slot) => self.names.part(slot, &strays.object),
            None => self.names.record(&strays.object),
        };
        let mut call = Call::new(&RECLAIM)
            .key(self.names.owners(slot))
            .key(record)
            .argument(self.tombstone.as_secs().to_string())
            .argument(self.changes_channel.as_deref().unwrap_or_default());
        for (key, ticket) in keys {
            let mark = Mark {
                ticket: *ticket,
                object: self.names.object(&strays.object),
            };
            call = call.key(key.as_str()).argument(mark.to_string());
        }
        call
    }
}

/// What is recorded of an object whose key was come upon.
struct Trace {
    is_lost: bool,
    /// The ticket that its entries were written under.
    written: u64,
}

/// Redis keys that their object does not yield any more, with the tickets they were written under.
#[derive(Debug)]
pub struct Orphans {
    object: String,
    keys: Vec<(String, u64)>,
}

impl Orphans {
    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::try_from(self.keys.len()).unwrap_or(u64::MAX)
    }
}
