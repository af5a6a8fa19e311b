//! All entries of one object, checked.

use super::{Entry, Value, content};
use crate::text::clip;
use std::collections::HashSet;

/// Redis keys that begin so are bookkeeping; no entry may.
pub const RESERVED_PREFIX: &str = "redis-sync:";

/// The longest Redis key an entry may have, in bytes. Redis itself allows 512 MB, but every key
/// is kept a second time in the bookkeeping.
pub const MAX_KEY_BYTES: usize = 16 * 1024;

/// The most Redis keys one object may yield: a commit is one script, and Redis serves nobody else
/// while it runs.
pub const MAX_KEYS: usize = 50_000;

/// The most bytes that all Redis keys of one object may have together: what it had before is read for a
/// commit beside what it is to have.
pub const MAX_KEYS_BYTES: usize = 8 << 20;

/// The most elements that all entries of one object may have together: fields, items and members,
/// which take memory of their own also where they are empty.
pub const MAX_ELEMENTS: usize = 1_000_000;

/// The longest time to live, in seconds (100 years). Redis keeps absolute milliseconds in 63 bits.
pub const MAX_TTL_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

/// Why entries cannot be committed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// The key is the empty string.
    #[error("an entry has an empty key")]
    EmptyKey,
    /// The key is longer than [`MAX_KEY_BYTES`].
    #[error("the entry key `{start}...` has {bytes} bytes, more than {MAX_KEY_BYTES}")]
    LongKey {
        /// The first characters of the key.
        start: String,
        /// Its length.
        bytes: usize,
    },
    /// The key is one of the bookkeeping's.
    #[error(
        "the entry key `{0}` begins with `{RESERVED_PREFIX}`, which is reserved for bookkeeping"
    )]
    ReservedKey(String),
    /// Two entries have one key.
    #[error("two entries have the key `{0}`")]
    RepeatedKey(String),
    /// More than [`MAX_KEYS`] entries.
    #[error("{0} entries are more than {MAX_KEYS}")]
    TooMany(usize),
    /// Longer keys than [`MAX_KEYS_BYTES`], all together.
    #[error("the keys of all its entries have {0} bytes, more than {MAX_KEYS_BYTES}")]
    LongKeys(usize),
    /// More elements than may be stored at once.
    #[error("{0} elements in all its entries, more than {MAX_ELEMENTS}")]
    TooManyElements(usize),
    /// A time to live that Redis cannot keep.
    #[error(
        "the entry `{key}` has a time to live of {seconds} seconds; 1 to {MAX_TTL_SECONDS} is possible"
    )]
    Ttl {
        /// The key.
        key: String,
        /// The time to live it asks for.
        seconds: u64,
    },
    /// A score that is not a number.
    #[error("the sorted set `{0}` has a score that is not a number")]
    Score(String),
}

/// All entries of one object: every key once, none reserved, none empty.
#[derive(Clone, Debug, PartialEq)]
pub struct EntrySet {
    entries: Vec<Entry>,
    /// Of keys, values and times to live; see [`content`].
    digest: String,
}

impl Default for EntrySet {
    /// Of an object that yields nothing.
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl EntrySet {
    /// Checks `entries`, puts `prefix` before every key and gives `default_ttl` to those that have
    /// none. Collections without elements are left out: in Redis an empty collection is no key.
    pub fn new(
        entries: Vec<Entry>,
        prefix: &str,
        default_ttl: Option<u64>,
    ) -> Result<Self, EntryError> {
        if entries.len() > MAX_KEYS {
            return Err(EntryError::TooMany(entries.len()));
        }
        let keys = entries.iter().map(|entry| prefix.len() + entry.key.len());
        let keys = keys.sum();
        if keys > MAX_KEYS_BYTES {
            return Err(EntryError::LongKeys(keys));
        }
        let elements = entries.iter().map(|entry| entry.value.len()).sum();
        if elements > MAX_ELEMENTS {
            return Err(EntryError::TooManyElements(elements));
        }
        let mut seen = HashSet::with_capacity(entries.len());
        let mut checked = Vec::with_capacity(entries.len());
        for mut entry in entries {
            if entry.key.is_empty() {
                return Err(EntryError::EmptyKey);
            }
            if !prefix.is_empty() {
                entry.key.insert_str(0, prefix);
            }
            entry.ttl_seconds = entry.ttl_seconds.or(default_ttl);
            check(&entry)?;
            if !seen.insert(entry.key.clone()) {
                return Err(EntryError::RepeatedKey(clip(&entry.key).to_owned()));
            }
            if !entry.value.is_empty() {
                checked.push(entry);
            }
        }
        Ok(Self::of(checked))
    }

    fn of(entries: Vec<Entry>) -> Self {
        let digest = content::of_entries(&entries);
        Self { entries, digest }
    }

    /// Whether any of the keys has a time to live.
    pub fn expires(&self) -> bool {
        self.entries.iter().any(|entry| entry.ttl_seconds.is_some())
    }

    /// Digest of keys, values and times to live; see [`content`].
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of Redis keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the object yields nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn check(entry: &Entry) -> Result<(), EntryError> {
    let key = &entry.key;
    if key.len() > MAX_KEY_BYTES {
        return Err(EntryError::LongKey {
            start: key.chars().take(40).collect(),
            bytes: key.len(),
        });
    }
    if key.starts_with(RESERVED_PREFIX) {
        return Err(EntryError::ReservedKey(clip(key).to_owned()));
    }
    if let Some(seconds) = entry.ttl_seconds
        && !(1..=MAX_TTL_SECONDS).contains(&seconds)
    {
        return Err(EntryError::Ttl {
            key: clip(key).to_owned(),
            seconds,
        });
    }
    if let Value::SortedSet(members) = &entry.value
        && members.iter().any(|(_, score)| score.is_nan())
    {
        return Err(EntryError::Score(clip(key).to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str) -> Entry {
        Entry {
            key: key.into(),
            value: Value::Bytes(b"v".to_vec()),
            ttl_seconds: None,
        }
    }

    #[test]
    fn a_prefix_and_a_default_time_to_live_are_applied() {
        let set = EntrySet::new(vec![text("k")], "app:", Some(60)).unwrap();
        assert_eq!(set.entries()[0].key, "app:k");
        assert_eq!(set.entries()[0].ttl_seconds, Some(60));
    }

    #[test]
    fn a_reserved_key_is_refused_also_when_the_prefix_makes_it_one() {
        let reserved = EntryError::ReservedKey("redis-sync:owners".into());
        assert_eq!(
            EntrySet::new(vec![text("redis-sync:owners")], "", None),
            Err(reserved)
        );
        assert!(EntrySet::new(vec![text("sync:owners")], "redis-", None).is_err());
    }

    #[test]
    fn one_key_twice_is_refused_and_an_empty_collection_is_no_key() {
        let twice = EntrySet::new(vec![text("k"), text("k")], "", None);
        assert_eq!(twice, Err(EntryError::RepeatedKey("k".into())));
        let empty = Entry {
            key: "h".into(),
            value: Value::Hash(vec![]),
            ttl_seconds: None,
        };
        assert!(EntrySet::new(vec![empty], "", None).unwrap().is_empty());
    }

    #[test]
    fn more_elements_than_may_be_stored_at_once_are_refused() {
        let nothings = Entry {
            value: Value::List(vec![Vec::new(); MAX_ELEMENTS + 1]),
            ..text("l")
        };
        assert_eq!(
            EntrySet::new(vec![nothings], "", None),
            Err(EntryError::TooManyElements(MAX_ELEMENTS + 1))
        );
    }

    #[test]
    fn longer_keys_than_an_object_may_have_together_are_refused_with_their_prefix() {
        let key = |number: usize| text(&format!("{number:08}"));
        let keys = |number: usize| (0..number).map(key).collect();
        let prefix = "p".repeat(MAX_KEYS_BYTES / 1024 - 8);
        assert!(EntrySet::new(keys(1024), &prefix, None).is_ok());
        let over = MAX_KEYS_BYTES + MAX_KEYS_BYTES / 1024;
        let refused = EntrySet::new(keys(1025), &prefix, None);
        assert_eq!(refused, Err(EntryError::LongKeys(over)));
    }

    #[test]
    fn impossible_times_to_live_and_scores_are_refused() {
        for seconds in [0, u64::MAX] {
            let entry = Entry {
                ttl_seconds: Some(seconds),
                ..text("k")
            };
            assert_eq!(
                EntrySet::new(vec![entry], "", None),
                Err(EntryError::Ttl {
                    key: "k".into(),
                    seconds
                })
            );
        }
        let entry = Entry {
            value: Value::SortedSet(vec![(b"m".to_vec(), f64::NAN)]),
            ..text("z")
        };
        assert_eq!(
            EntrySet::new(vec![entry], "", None),
            Err(EntryError::Score("z".into()))
        );
    }
}
