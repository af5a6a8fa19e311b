//! Names of the bookkeeping keys.
//!
//! On a cluster they carry hash tags: what one script touches must lie in one hash slot.

use super::slot::{Slot, tag};
use crate::fingerprint::Fingerprint;

/// Data key -> its [`Owner`](super::owner::Owner). One for all buckets, so that no two of them share a
/// key.
const OWNERS: &str = "redis-sync:owners";

/// Among so many hash slots a cluster's records are spread, each with an index of its own.
const HOMES: &str = "0123456789abcdef";

/// Makes the names of one bucket's bookkeeping.
#[derive(Clone, Debug)]
pub(super) struct Names {
    bucket: String,
    /// Whether Redis is a cluster.
    cluster: bool,
}

impl Names {
    pub(super) fn new(bucket: &str, cluster: bool) -> Self {
        Self {
            bucket: bucket.to_owned(),
            cluster,
        }
    }

    /// The object's name among those of all buckets. A bucket's name has no slash.
    pub(super) fn object(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket)
    }

    /// The key of an object of this bucket, by its name.
    pub(super) fn key_of<'a>(&self, object: &'a str) -> Option<&'a str> {
        object.strip_prefix(&self.bucket)?.strip_prefix('/')
    }

    /// Where the object's record is.
    pub(super) fn record(&self, key: &str) -> String {
        self.record_of(&self.object(key))
    }

    /// Where the record of an object of any bucket is, by the object's name.
    pub(super) fn record_of(&self, object: &str) -> String {
        if self.cluster {
            format!("redis-sync:{{{}}}:object:{object}", home(object))
        } else {
            format!("redis-sync:object:{object}")
        }
    }

    /// Where it is listed that the object has a record.
    pub(super) fn index(&self, key: &str) -> String {
        if self.cluster {
            self.index_at(home(&self.object(key)))
        } else {
            format!("redis-sync:index:{}", self.bucket)
        }
    }

    /// All indexes: together they list the objects that have a record.
    pub(super) fn indexes(&self) -> Vec<String> {
        if self.cluster {
            HOMES.chars().map(|home| self.index_at(home)).collect()
        } else {
            vec![self.index("")]
        }
    }

    fn index_at(&self, home: char) -> String {
        format!("redis-sync:{{{home}}}:index:{}", self.bucket)
    }

    /// Where the owners of data keys are, those of a hash slot on a cluster.
    pub(super) fn owners(&self, slot: Option<Slot>) -> String {
        match slot {
            Some(slot) => format!("redis-sync:{{{}}}:owners", tag(slot)),
            None => OWNERS.to_owned(),
        }
    }

    /// Wherever owners are.
    pub(super) fn all_owners(&self) -> impl Iterator<Item = String> {
        let alone = (!self.cluster).then_some(None);
        let slots = self.cluster.then(|| Slot::all().map(Some));
        let all = alone.into_iter().chain(slots.into_iter().flatten());
        all.map(|slot| self.owners(slot))
    }

    /// Where the owner of a data key is.
    pub(super) fn owners_of(&self, redis_key: &str) -> String {
        self.owners(self.cluster.then(|| Slot::of(redis_key)))
    }

    /// The object's record of what it has in one hash slot.
    pub(super) fn part(&self, slot: Slot, key: &str) -> String {
        format!("redis-sync:{{{}}}:part:{}/{key}", tag(slot), self.bucket)
    }

    /// Where a value waits for the commit that makes it `redis_key`'s.
    pub(super) fn stage(&self, redis_key: &str, number: u64) -> String {
        if self.cluster {
            format!("redis-sync:{{{}}}:stage:{number}", tag(Slot::of(redis_key)))
        } else {
            format!("redis-sync:stage:{number}")
        }
    }
}

fn home(object: &str) -> char {
    let [first, ..] = Fingerprint::new().part(object).bytes();
    let place = usize::from(first) % HOMES.len();
    HOMES.chars().nth(place).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_another_bucket_is_not_ours() {
        let names = Names::new("config", false);
        assert_eq!(names.key_of(&names.object("a/b")), Some("a/b"));
        assert_eq!(names.key_of("config-2/a/b"), None);
        assert_eq!(names.record("a"), names.record_of(&names.object("a")));
    }

    #[test]
    fn on_a_cluster_what_a_script_touches_lies_in_one_slot() {
        let names = Names::new("config", true);
        for key in ["a", "b/c", "{x}y", "}{"] {
            let record = Slot::of(&names.record(key));
            assert_eq!(record, Slot::of(&names.index(key)));
            assert!(names.indexes().contains(&names.index(key)));
            let slot = Slot::of(key);
            let (owners, part) = (names.owners_of(key), names.part(slot, "{o}/{p}"));
            let staged = names.stage(key, 7);
            assert!(
                [owners, part, staged]
                    .iter()
                    .all(|name| Slot::of(name) == slot)
            );
        }
    }
}
