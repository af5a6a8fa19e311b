//! Whether Redis still holds what records say.

use super::owner::Owner;
use super::proposal::Proposal;
use super::record::Record;
use super::record::fields::number;
use super::slot::Slot;
use super::{Ledger, LedgerError};
use redis::cmd;
use std::collections::{BTreeMap, BTreeSet};

/// Size in bytes of the lists of keys that are held at a time.
const LIST_BYTES_AT_ONCE: usize = 1 << 20;

/// Redis keys that are checked in one round trip.
const CHECKS_AT_ONCE: usize = 2000;

/// These records in turns: of each, the lists of keys can be held at a time, or it is one record.
pub(super) fn turns<'a, 'b>(
    records: &'a [(&'b str, &'b Record)],
) -> impl Iterator<Item = &'a [(&'b str, &'b Record)]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let (now, later) = rest.split_at(fitting(rest));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

/// How many of these records, from the first, are one turn.
fn fitting(records: &[(&str, &Record)]) -> usize {
    let (mut bytes, mut count) = (0, 0);
    for (_, record) in records {
        bytes += record.keys_bytes;
        count += 1;
        if bytes > LIST_BYTES_AT_ONCE {
            break;
        }
    }
    count
}

/// A Redis key that should be there.
struct Check {
    /// The place of its record.
    record: usize,
    redis_key: String,
    /// Its owner, as it should be recorded.
    owner: String,
}

impl Ledger {
    /// Whether all Redis keys of each of these records are still there, as its last commit wrote
    /// them: those with a time to live may not be, others may have been evicted, or be older ones
    /// again since a primary failed whose replica had not got them yet. On a cluster, also whether each hash
    /// slot knows which of the object's keys it has: the next commit removes no others there.
    pub async fn intact(&self, records: &[(&str, &Record)]) -> Result<Vec<bool>, LedgerError> {
        let mut intact = Vec::with_capacity(records.len());
        for now in turns(records) {
            intact.extend(self.intact_together(now).await?);
        }
        Ok(intact)
    }

    async fn intact_together(&self, records: &[(&str, &Record)]) -> Result<Vec<bool>, LedgerError> {
        let lists = self.key_lists(records).await?;
        let mut intact = match self.cluster {
            true => self.parts_intact(records, &lists).await?,
            false => vec![true; records.len()],
        };
        let checks = self.checks(records, lists);
        for checks in checks.chunks(CHECKS_AT_ONCE) {
            let keys: Vec<&str> = checks.iter().map(|check| &*check.redis_key).collect();
            let exists = self.exist(&keys).await?;
            let owners = self.owners(&keys).await?;
            for ((check, exists), owner) in checks.iter().zip(exists).zip(owners) {
                if let Some(intact) = intact.get_mut(check.record) {
                    *intact &= exists && owner.as_ref() == Some(&check.owner);
                }
            }
        }
        Ok(intact)
    }

    /// The objects of this deployment that have, or have reserved, keys which one of these proposals is to have:
    /// with one such key each. An object that claims its own keys is not among them. It is not for certain: only
    /// the commit sees the owners as they are then.
    pub async fn other_owners(
        &self,
        proposals: &[Proposal],
    ) -> Result<BTreeMap<String, String>, LedgerError> {
        let claims = proposals
            .iter()
            .flat_map(|proposal| proposal.keys().map(|key| (key, proposal.key.as_str())));
        let claims: Vec<(&str, &str)> = claims.collect();
        let mut others = BTreeMap::new();
        for claims in claims.chunks(CHECKS_AT_ONCE) {
            let keys: Vec<&str> = claims.iter().map(|(key, _)| *key).collect();
            let owners = self.owners(&keys).await?;
            for ((key, claimant), noted) in claims.iter().zip(owners) {
                let noted = noted.as_deref().unwrap_or_default();
                for owner in Owner::all(noted) {
                    let object = self.names.key_of_owner(&owner, key);
                    if let Some(object) = object.filter(|object| object != claimant) {
                        others.insert(object.to_owned(), (*key).to_owned());
                    }
                }
            }
        }
        Ok(others)
    }

    fn checks(&self, records: &[(&str, &Record)], lists: Vec<Vec<String>>) -> Vec<Check> {
        let mut checks = Vec::new();
        for (place, ((key, record), list)) in records.iter().zip(lists).enumerate() {
            let owner = Owner::new(record.written, self.names.object(key)).to_string();
            checks.extend(list.into_iter().map(|redis_key| Check {
                record: place,
                redis_key,
                owner: owner.clone(),
            }));
        }
        checks
    }

    /// Whether each of these objects, with the lists of its keys, is recorded in every hash slot where it has any,
    /// under the ticket that wrote them.
    async fn parts_intact(
        &self,
        records: &[(&str, &Record)],
        lists: &[Vec<String>],
    ) -> Result<Vec<bool>, LedgerError> {
        let mut parts = Vec::new();
        for (place, ((key, _), list)) in records.iter().zip(lists).enumerate() {
            let slots: BTreeSet<Slot> = list.iter().map(|key| Slot::of(key)).collect();
            parts.extend(
                slots
                    .into_iter()
                    .map(|slot| (place, self.names.part(slot, key))),
            );
        }
        let mut intact = vec![true; records.len()];
        for parts in parts.chunks(CHECKS_AT_ONCE) {
            let commands = parts.iter().map(|(_, name)| {
                let mut command = cmd("HMGET");
                command.arg(name).arg("written").arg("ticket");
                command
            });
            let found: Vec<[Option<Vec<u8>>; 2]> = self.send_each(commands.collect()).await?;
            for ((place, _), [written, ticket]) in parts.iter().zip(found) {
                intact[*place] &= number(written.or(ticket)) == Some(records[*place].1.written);
            }
        }
        Ok(intact)
    }

    /// Whether each of these Redis keys exists.
    async fn exist(&self, keys: &[&str]) -> Result<Vec<bool>, LedgerError> {
        if !self.cluster {
            let found: usize = self.send(cmd("EXISTS").arg(keys)).await?;
            if found == keys.len() {
                return Ok(vec![true; keys.len()]);
            }
        }
        let commands = keys.iter().map(|key| {
            let mut command = cmd("EXISTS");
            command.arg(key);
            command
        });
        self.send_each(commands.collect()).await
    }

    /// The owner of each of these Redis keys, as it is recorded.
    pub(super) async fn owners(&self, keys: &[&str]) -> Result<Vec<Option<String>>, LedgerError> {
        if !self.cluster {
            let owners = self.names.owners(None);
            return self.send(cmd("HMGET").arg(owners).arg(keys)).await;
        }
        let commands = keys.iter().map(|key| {
            let mut command = cmd("HGET");
            command.arg(self.names.owners_of(key)).arg(key);
            command
        });
        self.send_each(commands.collect()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(sizes: &[usize]) -> Vec<usize> {
        let record = |keys_bytes: &usize| Record {
            keys_bytes: *keys_bytes,
            ..Record::default()
        };
        let records: Vec<Record> = sizes.iter().map(record).collect();
        let records: Vec<(&str, &Record)> = records.iter().map(|record| ("o", record)).collect();
        turns(&records).map(<[_]>::len).collect()
    }

    /// The one that passes the bound is the last of its turn.
    #[test]
    fn a_turn_ends_where_its_keys_take_more_than_is_held_at_a_time() {
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[0, 0, 0]), [3]);
        assert_eq!(lengths(&[LIST_BYTES_AT_ONCE, 1, 1]), [2, 1]);
        assert_eq!(
            lengths(&[LIST_BYTES_AT_ONCE + 1, 1, LIST_BYTES_AT_ONCE, 1]),
            [1, 2, 1]
        );
        assert_eq!(
            lengths(&[8 * LIST_BYTES_AT_ONCE, 8 * LIST_BYTES_AT_ONCE]),
            [1, 1]
        );
    }
}
