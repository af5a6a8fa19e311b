//! Forgetting another bucket: one that was renamed, or whose deployment is gone. Nobody would ever give its
//! keys up.
//!
//! Its keys stay as they are, and belong to nobody from then on: an object that yields one of them takes it
//! over, unless `ADOPT_KEYS=false`. Its records and its index are removed. A deployment that is still at work
//! on that bucket writes them again.

use super::call::{Call, RELEASE};
use super::names::Names;
use super::owner::Owner;
use super::slot::Slot;
use super::{Ledger, LedgerError};
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

impl Ledger {
    /// Forgets a bucket, or only says what there is to forget. What was done before an error stays done;
    /// a repetition does the rest.
    pub async fn forget(&self, bucket: &str, dry_run: bool) -> Result<Forgotten, LedgerError> {
        let names = Names::new(bucket, self.cluster);
        let mut forgotten = Forgotten::default();
        let mut scan = self.scan_owners();
        while let Some(owned) = self.next_owned(&mut scan).await? {
            let of_bucket = owned.into_iter().filter_map(|(redis_key, owner)| {
                let owner = Owner::parse(&owner)?;
                names.key_of(&owner.object)?;
                Some((redis_key, owner))
            });
            let of_bucket: Vec<(String, Owner)> = of_bucket.collect();
            forgotten.keys += if dry_run {
                u64::try_from(of_bucket.len()).unwrap_or(u64::MAX)
            } else {
                self.release(&names, &of_bucket).await?
            };
        }
        for index in names.indexes() {
            forgotten.objects += if dry_run {
                self.ask::<u64>(redis::cmd("ZCARD").arg(index)).await?
            } else {
                self.forget_index(&names, &index).await?
            };
        }
        Ok(forgotten)
    }

    /// Gives keys up, and what is recorded of their objects.
    async fn release(&self, names: &Names, owned: &[(String, Owner)]) -> Result<u64, LedgerError> {
        let mut calls: BTreeMap<String, Call> = BTreeMap::new();
        let mut records: BTreeSet<String> = BTreeSet::new();
        for (redis_key, owner) in owned {
            let owners = names.owners_of(redis_key);
            let call = calls
                .remove(&owners)
                .unwrap_or_else(|| Call::new(&RELEASE).key(owners.as_str()));
            let call = call
                .argument(redis_key.as_str())
                .argument(owner.to_string());
            calls.insert(owners, call);
            records.insert(names.record_of(&owner.object));
            if let Some(key) = names.key_of(&owner.object).filter(|_| self.cluster) {
                records.insert(names.part(Slot::of(redis_key), key));
            }
        }
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
            let keys: Vec<String> = self.ask(&first).await?;
            if keys.is_empty() {
                return Ok(objects);
            }
            self.unlink(keys.iter().map(|key| names.record(key)))
                .await?;
            objects += self
                .ask::<u64>(redis::cmd("ZREM").arg(index).arg(&keys))
                .await?;
        }
    }

    async fn unlink(&self, keys: impl IntoIterator<Item = String>) -> Result<(), LedgerError> {
        let commands = keys.into_iter().map(|key| {
            let mut command: Cmd = redis::cmd("UNLINK");
            command.arg(key);
            command
        });
        let _: Vec<u64> = self.read_each(commands.collect()).await?;
        Ok(())
    }
}
