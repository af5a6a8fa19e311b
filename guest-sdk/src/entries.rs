use std::slice;
use std::time::Duration;
use std::vec;

use serde::Serialize;

use crate::sorted::order;
use crate::{Entry, Result, Value, bail, ensure};

/// The Redis entries that an object stands for: all of them, each time.
///
/// ```
/// use std::time::Duration;
/// use redis_sync_guest::{Entries, Entry};
///
/// let entries = Entries::new()
///     .text("motd", "hello")
///     .hash("limits", [("size", "10"), ("rate", "5")])
///     .set("regions", ["eu", "us"])
///     .sorted_set("ranks", [("ada", 1.0), ("bob", 2.5)])
///     .ttl(Duration::from_secs(3600))
///     .with(Entry::list("steps", ["build", "ship"]).ttl(Duration::from_secs(60)));
///
/// assert_eq!(entries.len(), 5);
/// assert_eq!(entries.get("limits").and_then(|limits| limits.field("size")), Some("10"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    /// In the order they were added.
    entries: Vec<Entry>,
}

impl Entries {
    /// No entries: an object that stands for nothing in Redis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a string of bytes.
    #[must_use]
    pub fn bytes(self, key: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(Entry::bytes(key, bytes))
    }

    /// Adds a string of text.
    #[must_use]
    pub fn text(self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.with(Entry::text(key, text))
    }

    /// Adds a string that holds the value as JSON text.
    ///
    /// # Errors
    /// Where the value cannot be JSON, such as a map whose keys are no text.
    pub fn json<T: Serialize + ?Sized>(self, key: impl Into<String>, value: &T) -> Result<Self> {
        Ok(self.with(Entry::json(key, value)?))
    }

    /// Adds a hash: fields and their values. Of two with one name the last counts, as in Redis.
    #[must_use]
    pub fn hash<F: Into<String>, V: Into<Vec<u8>>>(
        self,
        key: impl Into<String>,
        fields: impl IntoIterator<Item = (F, V)>,
    ) -> Self {
        self.with(Entry::hash(key, fields))
    }

    /// Adds a list, in that order.
    #[must_use]
    pub fn list<V: Into<Vec<u8>>>(
        self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(Entry::list(key, values))
    }

    /// Adds a set.
    #[must_use]
    pub fn set<M: Into<Vec<u8>>>(
        self,
        key: impl Into<String>,
        members: impl IntoIterator<Item = M>,
    ) -> Self {
        self.with(Entry::set(key, members))
    }

    /// Adds a sorted set: members and their scores. Of two scores of one member the last counts.
    #[must_use]
    pub fn sorted_set<M: Into<Vec<u8>>>(
        self,
        key: impl Into<String>,
        members: impl IntoIterator<Item = (M, f64)>,
    ) -> Self {
        self.with(Entry::sorted_set(key, members))
    }

    /// Adds an entry, such as one with a TTL of its own.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.push(entry);
        self
    }

    /// Adds an entry to those that are being collected in a loop.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Gives every entry added so far that TTL, except those that have their own.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        for entry in &mut self.entries {
            entry.ttl.get_or_insert(ttl);
        }
        self
    }

    /// What that key would hold.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// The entries, in the order they were added.
    pub fn iter(&self) -> slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Refuses what cannot be written, naming the key. The host would refuse it too, but knows less.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(key) = self.repeated_key() {
            bail!("there are two entries for the key `{key}`");
        }
        for Entry { key, value, ttl } in self {
            ensure!(
                *ttl != Some(Duration::ZERO),
                "entry `{key}` has a TTL of zero"
            );
            if let Value::SortedSet(members) = value
                && members.iter().any(|(_, score)| score.is_nan())
            {
                bail!("entry `{key}` has a score that is not a number");
            }
        }
        Ok(())
    }
}

impl Entries {
    fn repeated_key(&self) -> Option<&str> {
        let keys = &self.entries;
        if keys.is_sorted_by(|one, next| one.key < next.key) {
            return None;
        }
        let key = |place: usize| keys.get(place).map(|entry| entry.key.as_str());
        let order = order(keys.len(), &|one, other| key(one).cmp(&key(other)));
        let mut previous = None;
        for place in order {
            let this = key(place);
            if this == previous {
                return this;
            }
            previous = this;
        }
        None
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self {
            entries: entries.into_iter().collect(),
        }
    }
}

impl Extend<Entry> for Entries {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        self.entries.extend(entries);
    }
}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn refusal(entries: &Entries) -> String {
        entries
            .check()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn an_entry_keeps_a_ttl_of_its_own() {
        let entries = Entries::new()
            .with(Entry::text("own", "").ttl(MINUTE))
            .text("shared", "")
            .ttl(HOUR)
            .text("later", "");
        let ttls: Vec<_> = entries.iter().map(|entry| entry.ttl).collect();
        assert_eq!(ttls, [Some(MINUTE), Some(HOUR), None]);
    }

    #[test]
    fn two_entries_for_one_key_are_refused_by_name() {
        let entries = Entries::new()
            .text("k", "1")
            .text("other", "")
            .list("k", ["2"]);
        assert_eq!(refusal(&entries), "there are two entries for the key `k`");
    }

    #[test]
    fn what_redis_cannot_hold_is_refused_by_name() {
        let entries = Entries::new().sorted_set("z", [("m", f64::NAN)]);
        assert_eq!(
            refusal(&entries),
            "entry `z` has a score that is not a number"
        );
        let entries = Entries::new().text("t", "v").ttl(Duration::ZERO);
        assert_eq!(refusal(&entries), "entry `t` has a TTL of zero");
        let entries = Entries::new()
            .sorted_set("z", [("m", f64::INFINITY)])
            .ttl(MINUTE);
        assert_eq!(refusal(&entries), "");
    }
}
