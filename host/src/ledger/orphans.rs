//! Going through everything that Redis Sync has written, to find orphans: keys that their object does
//! not yield any more, and objects that have fallen out of the index.
//!
//! Where Redis has evicted an object's record or its place in the index, nothing leads from the
//! object to its keys any more; but each key still leads to its object.
//!
//! Cursors are the server's own: another one that has taken over, or the same started again, keeps its keys in
//! another order, and one that goes on with them passes some over. So a scan knows its servers, and begins at the
//! front where they are others in the end, or when it goes on.

use super::call::{Call, REMOVE_ORPHANS};
use super::owner::Owner;
use super::record::Record;
use super::record::fields::{FIELDS, Fields};
use super::slot::Slot;
use super::{Ledger, LedgerError};
use crate::number::to_u64;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Hash slots of a cluster that are read at a time.
const HASHES_AT_ONCE: usize = 256;

/// Keys that one step asks for; Redis may give more.
const KEYS_A_STEP: usize = 1000;

/// The same of each of a cluster's hash slots.
const KEYS_OF_A_SLOT: usize = 50;

/// A scan of all owners.
pub struct OwnersScan {
    /// What it goes through, the last first.
    hashes: Vec<String>,
    place: ScanPlace,
}

/// Where a scan of all owners is, for whoever goes on with it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ScanPlace {
    /// The servers whose cursors these are.
    servers: Vec<String>,
    /// How many hashes there are: one, or one for each hash slot of a cluster.
    hashes: usize,
    /// How many of them are not begun with: the first ones.
    untouched: usize,
    /// Those that are begun with and not read to their end, with the cursor in each.
    begun: Vec<(usize, u64)>,
}

impl ScanPlace {
    fn front(servers: Vec<String>, hashes: usize) -> Self {
        Self {
            servers,
            hashes,
            untouched: hashes,
            begun: Vec::new(),
        }
    }

    /// Whether it is one of a scan of so many hashes of these servers.
    fn is_of(&self, servers: &[String], hashes: usize) -> bool {
        self.servers == servers
            && self.hashes == hashes
            && self.untouched <= hashes
            && self.begun.iter().all(|(hash, _)| *hash < hashes)
    }

    /// The hashes to read next, with the cursor in each.
    fn next(&mut self) -> Vec<(usize, u64)> {
        let mut next = std::mem::take(&mut self.begun);
        let left = HASHES_AT_ONCE.saturating_sub(next.len());
        let untouched = self.untouched.saturating_sub(left);
        next.extend((untouched..self.untouched).map(|hash| (hash, 0)));
        self.untouched = untouched;
        next
    }
}

impl OwnersScan {
    /// Where it is now: before what the next step reads.
    pub fn place(&self) -> &ScanPlace {
        &self.place
    }
}

/// Redis keys that objects have, with their owners as they are noted.
type Owned = BTreeMap<String, Vec<(String, Owner)>>;

/// Redis keys of one object that may be orphans.
#[derive(Debug)]
pub struct OrphanCandidates {
    /// The object's key.
    pub object: String,
    /// Whether it is not in the index, though it should be: who goes by that does not meet it.
    pub is_lost: bool,
    /// Whether neither a commit of it is recorded nor a failure.
    pub is_unrecorded: bool,
    /// Its keys that were not written by its last commit, with their owners as they are noted.
    keys: Vec<(String, Owner)>,
}

impl OrphanCandidates {
    /// Whether any of its keys may be an orphan.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }
}

impl Ledger {
    /// A scan of all keys that have an owner, from the front or from where another one was.
    pub async fn scan_owners(&self, from: Option<ScanPlace>) -> Result<OwnersScan, LedgerError> {
        let hashes: Vec<String> = self.names.all_owners().collect();
        let servers = self.servers().await?;
        let from = from.filter(|place| place.is_of(&servers, hashes.len()));
        let place = from.unwrap_or_else(|| ScanPlace::front(servers, hashes.len()));
        Ok(OwnersScan { hashes, place })
    }

    /// Goes on; says which of those objects of this bucket that are meant have something that is not as it should
    /// be. `None` at the end.
    pub async fn next_candidates(
        &self,
        scan: &mut OwnersScan,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Option<Vec<OrphanCandidates>>, LedgerError> {
        let Some(all) = self.next_owned(scan).await? else {
            return Ok(None);
        };
        let mut owned = Owned::new();
        // Who had a key before it was reserved has it again where that is given back, which comes first.
        let mut owned_before = Owned::new();
        for (redis_key, noted) in all {
            for (place, owner) in Owner::all(&noted).into_iter().enumerate() {
                let is_before = place > 0 && !owner.is_reserved();
                let owned = if is_before {
                    &mut owned_before
                } else {
                    &mut owned
                };
                let object = self.names.key_of_owner(&owner, &redis_key);
                if let Some(object) = object.filter(|object| is_meant(object)) {
                    let keys = owned.entry(object.to_owned()).or_default();
                    keys.push((redis_key.clone(), owner));
                }
            }
        }
        let (objects, keys): (Vec<String>, Vec<_>) = owned.into_iter().chain(owned_before).unzip();
        let records = self.records(&objects).await?;
        let indexed = self.are_indexed(&objects).await?;
        let mut candidates = Vec::new();
        for (((object, mut keys), record), is_indexed) in
            objects.into_iter().zip(keys).zip(records).zip(indexed)
        {
            keys.retain(|(_, owner)| owner.ticket != record.written);
            // An object that was deleted leaves a record without an entity tag, outside of the index.
            let was_deleted = record.etag.as_deref() == Some("");
            let is_lost = !is_indexed && !was_deleted;
            if is_lost || !keys.is_empty() {
                candidates.push(OrphanCandidates {
                    object,
                    is_lost,
                    is_unrecorded: record.committed == 0 && record.error.is_none(),
                    keys,
                });
            }
        }
        Ok(Some(candidates))
    }

    async fn are_indexed(&self, objects: &[String]) -> Result<Vec<bool>, LedgerError> {
        let commands = objects.iter().map(|key| {
            let mut command = redis::cmd("ZSCORE");
            command.arg(self.names.index(key)).arg(key);
            command
        });
        let scores: Vec<Option<f64>> = self.send_each(commands.collect()).await?;
        Ok(scores.iter().map(Option::is_some).collect())
    }

    /// Some more keys, with their owners; `None` at the end. Some come twice, and after a failover all may.
    pub(super) async fn next_owned(
        &self,
        scan: &mut OwnersScan,
    ) -> Result<Option<Vec<(String, String)>>, LedgerError> {
        let mut now = scan.place.next();
        if now.is_empty() {
            let servers = self.servers().await?;
            if servers == scan.place.servers {
                return Ok(None);
            }
            scan.place = ScanPlace::front(servers, scan.hashes.len());
            now = scan.place.next();
        }
        let count = if self.cluster {
            KEYS_OF_A_SLOT
        } else {
            KEYS_A_STEP
        };
        let commands = now.iter().map(|(hash, cursor)| {
            let mut command = redis::cmd("HSCAN");
            command.arg(&scan.hashes[*hash]);
            command.arg(cursor).arg("COUNT").arg(count);
            command
        });
        let read: Vec<(u64, Vec<(String, String)>)> = self.send_each(commands.collect()).await?;
        let mut owned = Vec::new();
        for ((hash, _), (cursor, pairs)) in now.into_iter().zip(read) {
            owned.extend(pairs);
            if cursor != 0 {
                scan.place.begun.push((hash, cursor));
            }
        }
        Ok(Some(owned))
    }

    /// Those of the keys that the object does not yield: written under another ticket than its last
    /// entries were, and not listed among them. That is an earlier one, or a later one whose commit a
    /// failover has undone at home. A commit that was announced and has not finished leaves that open; and an object
    /// that fails since keeps what it had last, though nothing but the keys tells of that. What is still reserved
    /// for it goes back to its owner before, be it itself; also where its commit has not finished, when whoever reserved it
    /// cannot be at it any more.
    pub async fn orphans(&self, candidates: &OrphanCandidates) -> Result<Orphans, LedgerError> {
        let record = self.names.record(&candidates.object);
        let mut fields = redis::cmd("HMGET");
        fields.arg(&record).arg(&FIELDS);
        let fields: Fields = self.send(&fields).await?;
        let keys = self.written_keys(&candidates.object).await?;
        let record = Record::decode(fields, Some(keys));
        // What an earlier version has recorded is taken over by a commit, or is not ours.
        let earlier = match self.names.earlier() {
            Some(names) => self.keys_listed(&names.record(&candidates.object)).await?,
            None => Vec::new(),
        };
        let listed = record.keys.iter().flatten().chain(&earlier);
        let listed: HashSet<&str> = listed.map(String::as_str).collect();
        let orphan = |(key, owner): &(String, Owner)| {
            let is_another =
                record.committed != 0 && record.is_whole() && owner.ticket != record.written;
            let may_be_its_last = owner.ticket > record.written && record.error.is_some();
            let is_kept = may_be_its_last || listed.contains(key.as_str());
            let removed = match (owner.is_reserved(), is_another) {
                (true, false) => Removed::WhenLongAgo,
                (true, true) => Removed::AtOnce,
                (false, true) if !is_kept => Removed::AtOnce,
                (false, _) => return None,
            };
            Some((key.clone(), owner.clone(), removed))
        };
        Ok(Orphans {
            object: candidates.object.clone(),
            keys: candidates.keys.iter().filter_map(orphan).collect(),
        })
    }

    /// Removes them, unless somebody has written them meanwhile. Says how many it were.
    pub async fn remove_orphans(&self, orphans: &Orphans) -> Result<u64, LedgerError> {
        let mut by_slot: BTreeMap<Option<Slot>, Vec<&Orphan>> = BTreeMap::new();
        for orphan in &orphans.keys {
            let slot = self.cluster.then(|| Slot::of(&orphan.0));
            by_slot.entry(slot).or_default().push(orphan);
        }
        let mut removed = 0;
        for (slot, keys) in by_slot {
            let call = &self.removal(orphans, slot, &keys);
            removed += self.call::<u64>(call).await?;
        }
        Ok(removed)
    }

    fn removal(&self, orphans: &Orphans, slot: Option<Slot>, keys: &[&Orphan]) -> Call {
        let record = match slot {
            Some(slot) => self.names.part(slot, &orphans.object),
            None => self.names.record(&orphans.object),
        };
        // On one server there is no orphan that the record lists.
        let tombstone = slot.map(|_| self.tombstone.as_secs().to_string());
        let mut call = Call::new(&REMOVE_ORPHANS)
            .key(self.names.owners(slot))
            .key(record)
            .argument(tombstone.unwrap_or_default())
            .argument(self.changes_channel.as_deref().unwrap_or_default());
        for (key, owner, removed) in keys {
            let patient = match removed {
                Removed::AtOnce => "",
                Removed::WhenLongAgo => "~",
            };
            call = call.key(key.as_str()).argument(format!("{patient}{owner}"));
        }
        match (slot, self.names.earlier()) {
            (Some(slot), Some(earlier)) => call.key(earlier.part(slot, &orphans.object)),
            _ => call,
        }
    }
}

/// Redis keys that their object does not yield any more, and those that are reserved for it in vain.
#[derive(Debug)]
pub struct Orphans {
    object: String,
    keys: Vec<Orphan>,
}

/// A Redis key, its owner as it is noted, and when that is removed.
type Orphan = (String, Owner, Removed);

/// When an owner is removed.
#[derive(Clone, Copy, Debug)]
enum Removed {
    AtOnce,
    /// When whoever has reserved the key cannot be at it any more.
    WhenLongAgo,
}

impl Orphans {
    /// How many keys would go. What is reserved is given back, and no key goes.
    pub fn count(&self) -> u64 {
        let keys = self
            .keys
            .iter()
            .filter(|(_, owner, _)| !owner.is_reserved());
        to_u64(keys.count())
    }
}

#[cfg(test)]
mod tests;
