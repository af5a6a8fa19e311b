//! Forgetting another bucket: one that was renamed, or whose deployment is gone. Nobody would ever give its
//! keys up.
//!
//! A bucket is forgotten with all prefixes that deployments of it had. `BUCKET@PREFIX`, as conflicts name it, is
//! one of them alone, `BUCKET@` that without a prefix: so what is left of another deployment of one's own bucket
//! can be forgotten too.
//!
//! Its keys stay as they are, and belong to nobody from then on: an object that yields one of them takes it
//! over, unless `ADOPT_KEYS=false`. Its records and its index are removed. A deployment that is still at work
//! on that bucket writes them again.

use super::call::{Call, RELEASE};
use super::names::Names;
use super::owner::Owner;
use super::slot::Slot;
use super::{Ledger, LedgerError};
use crate::number::to_u64;
use redis::Cmd;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Objects of an index that are forgotten in one round trip.
const OBJECTS_AT_ONCE: isize = 1000;

/// What another bucket had here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Redis keys that its objects owned.
    pub keys: u64,
    /// Its objects that were in the index.
    pub objects: u64,
}

/// A Redis key that somebody has.
struct OwnedKey {
    redis_key: String,
    /// Its owners as they are noted.
    noted: String,
    /// The name of the object that has reserved it last, or has written it.
    object: String,
}

impl Ledger {
    /// Forgets a bucket, or only says what there is to forget. What was done before an error stays done;
    /// a repetition does the rest.
    pub async fn forget(&self, bucket: &str, dry_run: bool) -> Result<Forgotten, LedgerError> {
        let mut spaces = self.spaces_at_least(bucket);
        let mut forgotten = Forgotten::default();
        let mut scan = self.scan_owners(None).await?;
        while let Some(owned) = self.next_owned(&mut scan).await? {
            let mut by_space: BTreeMap<String, Vec<OwnedKey>> = BTreeMap::new();
            for (redis_key, noted) in owned {
                let Some(Owner { object, .. }) = Owner::all(&noted).into_iter().next() else {
                    continue;
                };
                let space = Names::space_in(bucket, &object).or_else(|| {
                    spaces
                        .iter()
                        .map(String::as_str)
                        .find(|space| is_in(space, &object))
                });
                if let Some(space) = space.map(str::to_owned) {
                    by_space.entry(space).or_default().push(OwnedKey {
                        redis_key,
                        noted,
                        object,
                    });
                }
            }
            for (space, owned) in by_space {
                forgotten.keys += if dry_run {
                    to_u64(owned.len())
                } else {
                    self.release(&self.names.of_space(&space), &owned).await?
                };
                spaces.insert(space);
            }
        }
        for space in &spaces {
            let names = self.names.of_space(space);
            for index in names.indexes() {
                forgotten.objects += if dry_run {
                    self.send::<u64>(redis::cmd("ZCARD").arg(index)).await?
                } else {
                    self.forget_index(&names, &index).await?
                };
            }
            if !dry_run {
                self.unlink([names.progress(), names.uploads()]).await?;
            }
        }
        if !dry_run {
            let generation = self.names.of_space(bucket).generation();
            self.send::<()>(redis::cmd("UNLINK").arg(generation))
                .await?;
        }
        Ok(forgotten)
    }

    /// Whether what is named so, to be forgotten, is what this deployment works on.
    pub fn is_own(&self, bucket: &str) -> bool {
        let space = self.names.space();
        Names::space_in(bucket, &self.names.object("")).is_some()
            || bucket.strip_suffix('@').unwrap_or(bucket) == space
    }

    /// The spaces of what is to be forgotten, whether or not it owns anything: without a prefix, and with
    /// that of this deployment; or the one that is named.
    fn spaces_at_least(&self, bucket: &str) -> BTreeSet<String> {
        let alone = bucket.strip_suffix('@').unwrap_or(bucket);
        let mut spaces = BTreeSet::from([alone.to_owned()]);
        if !bucket.contains('@') {
            let same_prefix = Names::new(bucket, self.names.prefix(), self.cluster);
            spaces.insert(same_prefix.space().to_owned());
        }
        spaces
    }

    /// Gives keys up, and what is recorded of their objects.
    async fn release(&self, names: &Names, owned: &[OwnedKey]) -> Result<u64, LedgerError> {
        let mut calls: BTreeMap<String, Call> = BTreeMap::new();
        let mut records: BTreeSet<String> = BTreeSet::new();
        let mut objects: BTreeSet<String> = BTreeSet::new();
        for owned in owned {
            let owners = names.owners_of(&owned.redis_key);
            let call = calls
                .remove(&owners)
                .unwrap_or_else(|| Call::new(&RELEASE).key(owners.as_str()));
            let call = call
                .argument(owned.redis_key.as_str())
                .argument(owned.noted.as_str());
            calls.insert(owners, call);
            records.insert(names.record_of(&owned.object));
            if let Some(key) = names.key_of(&owned.object).filter(|_| self.cluster) {
                records.insert(names.part(Slot::of(&owned.redis_key), key));
                objects.insert(key.to_owned());
            }
        }
        let objects = Vec::from_iter(objects);
        records.extend(self.parts(names, &objects).await?);
        let mut released = 0;
        for call in calls.values() {
            released += self.call::<u64>(call).await?;
        }
        self.unlink(records).await?;
        Ok(released)
    }

    /// Removes an index and the records of what it lists.
    async fn forget_index(&self, names: &Names, index: &str) -> Result<u64, LedgerError> {
        let mut objects = 0;
        loop {
            let mut first = redis::cmd("ZRANGE");
            first.arg(index).arg(0).arg(OBJECTS_AT_ONCE - 1);
            let keys: Vec<String> = self.send(&first).await?;
            if keys.is_empty() {
                return Ok(objects);
            }
            if self.cluster {
                self.unlink(self.parts(names, &keys).await?).await?;
            }
            self.unlink(keys.iter().map(|key| names.record(key)))
                .await?;
            objects += self
                .send::<u64>(redis::cmd("ZREM").arg(index).arg(&keys))
                .await?;
        }
    }

    /// What the objects of these keys have in hash slots, as their records say: owners that lead there may be lost.
    async fn parts(&self, names: &Names, keys: &[String]) -> Result<Vec<String>, LedgerError> {
        let slots = keys.iter().map(|key| {
            let mut command = redis::cmd("HGET");
            command.arg(names.record(key)).arg("slots");
            command
        });
        let slots: Vec<Option<String>> = self.send_each(slots.collect()).await?;
        let parts = keys.iter().zip(slots).flat_map(|(key, slots)| {
            let slots = slots.and_then(|slots| serde_json::from_str::<Vec<usize>>(&slots).ok());
            let slots = slots.into_iter().flatten().filter_map(Slot::from_number);
            slots.map(move |slot| names.part(slot, key))
        });
        Ok(parts.collect())
    }

    async fn unlink(&self, keys: impl IntoIterator<Item = String>) -> Result<(), LedgerError> {
        let commands = keys.into_iter().map(|key| {
            let mut command: Cmd = redis::cmd("UNLINK");
            command.arg(key);
            command
        });
        let _: Vec<u64> = self.send_each(commands.collect()).await?;
        Ok(())
    }
}

fn is_in(space: &str, object: &str) -> bool {
    let rest = object.strip_prefix(space);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Verdict;
    use crate::ledger::script_tests::texts;
    use redis_sync_local::RedisCluster;

    /// Where the owners in one slot are lost, nothing but the record leads there.
    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_of_a_forgotten_bucket_stays_in_any_hash_slot() {
        let cluster = RedisCluster::start().await.unwrap();
        let ledger = Ledger::in_redis(&cluster.primaries()[0], true);
        let object = ledger.proposal("o", texts(&["a", "b"])).await;
        let committed = ledger.commit(&mut [object]).await.unwrap();
        assert_eq!(committed, Verdict::Committed);
        let lost = ledger.names.owners_of("a");
        ledger.unlink([lost]).await.unwrap();
        let forgotten = ledger.forget("config", false).await.unwrap();
        assert_eq!((forgotten.keys, forgotten.objects), (1, 1));
        for node in cluster.primaries() {
            let left = node.command(&["KEYS", "redis-sync:*"]).await.unwrap();
            assert_eq!(left, "");
        }
        let values = ledger.send_each::<String>(vec![redis::cmd("GET").arg("a").to_owned()]);
        assert_eq!(values.await.unwrap(), ["v"]);
    }
}
