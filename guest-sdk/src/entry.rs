use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::{Context, Result, Sorted};

/// One Redis key, what it holds, and for how long.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The Redis key.
    pub key: String,
    /// What it holds.
    pub value: Value,
    /// How long after it was written it expires. Without one the route's TTL counts, if it has one.
    pub ttl: Option<Duration>,
}

impl Entry {
    /// A key that holds that value.
    pub fn new(key: impl Into<String>, value: Value) -> Self {
        Self {
            key: key.into(),
            value,
            ttl: None,
        }
    }

    /// A string of bytes.
    pub fn bytes(key: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(key, Value::Bytes(bytes.into()))
    }

    /// A string of text.
    pub fn text(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self::bytes(key, text.into())
    }

    /// A string that holds the value as JSON text.
    ///
    /// # Errors
    /// Where the value cannot be JSON, such as a map whose keys are no text.
    pub fn json<T: Serialize + ?Sized>(key: impl Into<String>, value: &T) -> Result<Self> {
        let key = key.into();
        match serde_json::to_vec(value) {
            Ok(text) => Ok(Self::bytes(key, text)),
            Err(error) => Err(error).with_context(|| format!("entry `{key}` cannot be JSON")),
        }
    }

    /// A hash: fields and their values. Of two with one name the last counts, as in Redis.
    pub fn hash<F: Into<String>, V: Into<Vec<u8>>>(
        key: impl Into<String>,
        fields: impl IntoIterator<Item = (F, V)>,
    ) -> Self {
        let fields = fields
            .into_iter()
            .map(|(field, value)| (field.into(), value.into()));
        Self::new(key, Value::Hash(fields.collect()))
    }

    /// A list, in that order.
    pub fn list<V: Into<Vec<u8>>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::new(
            key,
            Value::List(values.into_iter().map(Into::into).collect()),
        )
    }

    /// A set.
    pub fn set<M: Into<Vec<u8>>>(
        key: impl Into<String>,
        members: impl IntoIterator<Item = M>,
    ) -> Self {
        Self::new(
            key,
            Value::Set(
                members
                    .into_iter()
                    .map(|member| (member.into(), ()))
                    .collect(),
            ),
        )
    }

    /// A sorted set: members and their scores. Of two scores of one member the last counts.
    pub fn sorted_set<M: Into<Vec<u8>>>(
        key: impl Into<String>,
        members: impl IntoIterator<Item = (M, f64)>,
    ) -> Self {
        let members = members
            .into_iter()
            .map(|(member, score)| (member.into(), score));
        Self::new(key, Value::SortedSet(members.collect()))
    }

    /// Lets it expire so long after it was written. Parts of a second count as a whole one.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Its TTL as it is written to Redis.
    pub fn ttl_seconds(&self) -> Option<u64> {
        self.ttl.map(|ttl| {
            ttl.as_secs()
                .saturating_add(u64::from(ttl.subsec_nanos() > 0))
        })
    }
}

/// What one Redis key holds.
///
/// Hashes, sets and sorted sets have no order in Redis that a writer could choose, so they have
/// none here either: two are equal where Redis could not tell them apart.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A string.
    Bytes(Vec<u8>),
    /// A hash: values by field.
    Hash(Sorted<String, Vec<u8>>),
    /// A list.
    List(Vec<Vec<u8>>),
    /// A set.
    Set(Sorted<Vec<u8>, ()>),
    /// A sorted set: scores by member.
    SortedSet(Sorted<Vec<u8>, f64>),
}

impl Value {
    /// The text of a string, where it is a string and text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The text of a hash's field, where it is a hash that has the field, and text.
    pub fn field(&self, field: &str) -> Option<&str> {
        match self {
            Self::Hash(fields) => {
                let (_, value) = fields.iter().find(|(name, _)| name == field)?;
                std::str::from_utf8(value).ok()
            }
            _ => None,
        }
    }
}

/// Shows bytes as text, as an author wrote them.
impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => formatter.debug_tuple("Bytes").field(&Shown(bytes)).finish(),
            Self::Hash(fields) => {
                formatter.write_str("Hash ")?;
                let fields = fields.iter().map(|(field, value)| (field, Shown(value)));
                formatter.debug_map().entries(fields).finish()
            }
            Self::List(values) => {
                formatter.write_str("List ")?;
                formatter
                    .debug_list()
                    .entries(values.iter().map(|value| Shown(value)))
                    .finish()
            }
            Self::Set(members) => {
                formatter.write_str("Set ")?;
                formatter
                    .debug_set()
                    .entries(members.iter().map(|(member, ())| Shown(member)))
                    .finish()
            }
            Self::SortedSet(members) => {
                formatter.write_str("SortedSet ")?;
                let members = members.iter().map(|(member, score)| (Shown(member), score));
                formatter.debug_map().entries(members).finish()
            }
        }
    }
}

/// Bytes as the text they are, or as a byte string.
struct Shown<'a>(&'a [u8]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) => text.fmt(formatter),
            Err(_) => write!(formatter, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn parts_of_a_second_count_as_a_whole_one() {
        let seconds = |ttl| Entry::text("k", "v").ttl(ttl).ttl_seconds();
        assert_eq!(seconds(Duration::from_secs(60)), Some(60));
        assert_eq!(seconds(Duration::from_millis(1)), Some(1));
        assert_eq!(seconds(Duration::MAX), Some(u64::MAX));
        assert_eq!(Entry::text("k", "v").ttl_seconds(), None);
    }

    #[test]
    fn what_redis_cannot_tell_apart_is_equal() {
        assert_eq!(
            Entry::hash("k", [("a", "1"), ("b", "2")]),
            Entry::hash("k", [("b", "2"), ("a", "1")])
        );
        assert_eq!(
            Entry::set("k", ["a", "b", "a"]),
            Entry::set("k", ["b", "a"])
        );
        assert_eq!(
            Entry::sorted_set("k", [("a", 1.0), ("a", 2.0)]),
            Entry::sorted_set("k", [("a", 2.0)])
        );
        assert_ne!(Entry::list("k", ["a", "b"]), Entry::list("k", ["b", "a"]));
    }

    #[test]
    fn a_map_without_text_keys_is_no_json() {
        let error =
            Entry::json("k", &BTreeMap::from([((1, 2), 3)])).expect_err("a pair is no text");
        assert_eq!(error.to_string(), "entry `k` cannot be JSON");
    }

    #[test]
    fn debug_output_shows_text_as_text() {
        assert_eq!(
            format!("{:?}", Entry::bytes("k", b"a\xff").value),
            r#"Bytes(b"a\xff")"#
        );
        assert_eq!(
            format!("{:?}", Entry::hash("k", [("f", "é")]).value),
            r#"Hash {"f": "é"}"#
        );
        assert_eq!(
            format!("{:?}", Entry::sorted_set("k", [("m", 1.5)]).value),
            r#"SortedSet {"m": 1.5}"#
        );
    }
}
