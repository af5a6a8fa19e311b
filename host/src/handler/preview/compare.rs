//! What would change in one Redis key, by its elements: by names and sizes, and by values only where
//! that is asked for.

use super::change::{Counts, Kind};
use crate::entry::{Entry, Value, document};
use crate::ledger::{KeyState, Owned, Reading};
use crate::number::to_u64;
use crate::text::{clip, clip_to};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Elements of a key that are listed; the others are counted.
const MAX_FIELDS: usize = 100;

/// Bytes of a value, or of a field's name, that are told.
const MAX_TOLD_BYTES: usize = 200;

/// What would change in a Redis key.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Change {
    key: String,
    pub(super) change: Kind,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its type now, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    type_before: Option<&'static str>,
    bytes_before: Option<u64>,
    bytes_after: Option<u64>,
    /// Whether it would get or lose a time to live.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_live: Option<&'static str>,
    /// Whether it is there, and Redis Sync did not write it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    taken_over: bool,
    /// What would change in it; nothing of a value that is too large to be compared, or not to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    elements: Option<Counts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
}

/// What would change in an element: a field of a hash, a place in a list; a member of a set only where
/// values are told, since it is one.
#[derive(Debug, PartialEq, Serialize)]
struct Field {
    field: String,
    change: Kind,
    bytes_before: Option<u64>,
    bytes_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// The elements of a value: what each is found by, and what it holds.
type Elements<'a> = BTreeMap<Cow<'a, [u8]>, Cow<'a, [u8]>>;

/// What would change in a Redis key, if anything. `may_be_told` says whether what it holds now is the
/// caller's to know.
pub(super) fn compare(
    key: &str,
    state: &KeyState,
    entry: Option<&Entry>,
    show_values: bool,
    may_be_told: bool,
) -> Option<Change> {
    let (before, too_large) = match &state.reading {
        Reading::Nothing | Reading::Other => (None, None),
        Reading::Value(value) => (Some(value), None),
        Reading::TooLarge(bytes) => (None, Some(*bytes)),
    };
    let after = entry.map(|entry| &entry.value);
    let is_there = state.reading != Reading::Nothing;
    let time_to_live = match entry.map(|entry| entry.ttl_seconds.is_some()) {
        Some(true) if is_there && !state.expires => Some("gained"),
        Some(false) if is_there && state.expires => Some("lost"),
        _ => None,
    };
    let mut differences = Differences::new(show_values);
    differences.between(before, after);
    let change = match (is_there, after) {
        (false, None) => return None,
        (false, Some(_)) => Kind::Added,
        (true, None) => Kind::Removed,
        (true, Some(after)) => {
            let same_type = before.is_some_and(|before| before.kind() == after.kind());
            if same_type && differences.counts == Counts::default() && time_to_live.is_none() {
                return None;
            }
            Kind::Changed
        }
    };
    let size = |value: &Value| to_u64(value.size());
    let kind = after.or(before).map_or("unknown", Value::kind);
    let told = may_be_told || !is_there;
    Some(Change {
        key: key.to_owned(),
        change,
        kind,
        type_before: before.map(Value::kind).filter(|before| *before != kind),
        bytes_before: before.map(size).or(too_large).filter(|_| told),
        bytes_after: after.map(size),
        time_to_live,
        taken_over: is_there && state.owned == Owned::ByNobody,
        elements: Some(differences.counts)
            .filter(|_| told && too_large.is_none() && state.reading != Reading::Other),
        fields: Some(differences.fields)
            .filter(|_| told)
            .unwrap_or_default(),
    })
}

/// The elements that are not in both values.
struct Differences {
    show_values: bool,
    counts: Counts,
    fields: Vec<Field>,
}

impl Differences {
    fn new(show_values: bool) -> Self {
        Self {
            show_values,
            counts: Counts::default(),
            fields: Vec::new(),
        }
    }

    fn between(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let same_kind = match (before, after) {
            (Some(before), Some(after)) => before.kind() == after.kind(),
            _ => true,
        };
        let (old, new) = (before.map(elements), after.map(elements));
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        for (name, old) in &old {
            match new.get(name).filter(|_| same_kind) {
                None => self.add(before, name, Some(old), None),
                Some(new) if new != old => self.add(before, name, Some(old), Some(new)),
                Some(_) => {}
            }
        }
        for (name, new) in &new {
            if !same_kind || !old.contains_key(name) {
                self.add(after, name, None, Some(new));
            }
        }
    }

    fn add(
        &mut self,
        of: Option<&Value>,
        name: &[u8],
        before: Option<&Cow<'_, [u8]>>,
        after: Option<&Cow<'_, [u8]>>,
    ) {
        let change = match (before, after) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        };
        self.counts.count(change);
        let is_value = matches!(of, Some(Value::Set(_) | Value::SortedSet(_)));
        let is_told = self.show_values || matches!(of, Some(Value::Hash(_) | Value::List(_)));
        if self.fields.len() >= MAX_FIELDS || !is_told {
            return;
        }
        let size = |value: &Cow<'_, [u8]>| to_u64(value.len());
        let text = |value: &Cow<'_, [u8]>| told(value);
        self.fields.push(Field {
            field: told(name),
            change,
            bytes_before: before.map(size).filter(|_| !is_value),
            bytes_after: after.map(size).filter(|_| !is_value),
            before: before.map(text).filter(|_| self.show_values),
            after: after.map(text).filter(|_| self.show_values),
        });
    }
}

/// The elements of a value: bytes are one without a name, an item of a list has its place, and a member
/// of a sorted set its score.
fn elements(value: &Value) -> Elements<'_> {
    match value {
        Value::Bytes(bytes) => [(Cow::Borrowed(&b""[..]), Cow::Borrowed(&bytes[..]))].into(),
        Value::Hash(fields) => fields
            .iter()
            .map(|(name, value)| (name.as_bytes().into(), value.into()))
            .collect(),
        Value::List(items) => items
            .iter()
            .enumerate()
            // In the order of the numbers.
            .map(|(place, item)| (format!("{place:07}").into_bytes().into(), item.into()))
            .collect(),
        Value::Set(members) => members
            .iter()
            .map(|member| (member.into(), Cow::Borrowed(&b""[..])))
            .collect(),
        Value::SortedSet(members) => members
            .iter()
            .map(|(member, score)| (member.into(), score.to_string().into_bytes().into()))
            .collect(),
    }
}

/// Bytes as the entries document has them, as far as they are told.
fn told(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => clip_to(text, MAX_TOLD_BYTES).to_owned(),
        Err(_) => {
            let start = bytes.get(..MAX_TOLD_BYTES).unwrap_or(bytes);
            clip(&document::value_json(&Value::Bytes(start.to_vec())).to_string()).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn entry(value: Value) -> Entry {
        Entry {
            key: "k".into(),
            value,
            ttl_seconds: None,
        }
    }

    fn held(value: Value) -> KeyState {
        KeyState {
            owned: Owned::ByItself,
            expires: false,
            reading: Reading::Value(value),
        }
    }

    fn hash(fields: &[(&str, &str)]) -> Value {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        Value::Hash(fields.iter().map(pair).collect())
    }

    fn set(members: &[&str]) -> Value {
        Value::Set(
            members
                .iter()
                .map(|member| member.as_bytes().to_vec())
                .collect(),
        )
    }

    fn told(state: &KeyState, entry: Option<&Entry>, show_values: bool) -> Json {
        json!(compare("k", state, entry, show_values, true))
    }

    #[test]
    fn a_change_is_told_by_fields_and_sizes() {
        let state = held(hash(&[("a", "1"), ("b", "secret"), ("c", "3")]));
        let new = entry(hash(&[("c", "3"), ("b", "hidden!"), ("d", "4")]));
        let expected = json!({
            "key": "k", "change": "changed", "type": "hash", "bytes_before": 11, "bytes_after": 12,
            "elements": {"added": 1, "changed": 1, "removed": 1},
            "fields": [
                {"field": "a", "change": "removed", "bytes_before": 1, "bytes_after": null},
                {"field": "b", "change": "changed", "bytes_before": 6, "bytes_after": 7},
                {"field": "d", "change": "added", "bytes_before": null, "bytes_after": 1},
            ],
        });
        assert_eq!(told(&state, Some(&new), false), expected);
        let shown = told(&state, Some(&new), true);
        assert_eq!(shown["fields"][1]["before"], "secret");
        assert_eq!(shown["fields"][1]["after"], "hidden!");
    }

    #[test]
    fn the_same_is_no_change_whatever_its_order() {
        let same = [
            (
                hash(&[("a", "1"), ("b", "2")]),
                hash(&[("b", "2"), ("a", "1")]),
            ),
            (set(&["a", "b"]), set(&["b", "a"])),
            (Value::Bytes(b"x".to_vec()), Value::Bytes(b"x".to_vec())),
        ];
        for (before, after) in same {
            assert_eq!(told(&held(before), Some(&entry(after)), false), Json::Null);
        }
    }

    #[test]
    fn members_are_values_and_told_only_where_values_are() {
        let (state, new) = (held(set(&["secret"])), entry(set(&["other"])));
        let hidden = told(&state, Some(&new), false);
        assert_eq!(
            hidden["elements"],
            json!({"added": 1, "changed": 0, "removed": 1})
        );
        assert!(!hidden.to_string().contains("secret"), "{hidden}");
        let shown = told(&state, Some(&new), true);
        assert_eq!(shown["fields"][0]["field"], "secret");
    }

    #[test]
    fn another_type_and_a_time_to_live_are_changes() {
        let state = held(Value::Bytes(b"1".to_vec()));
        let change = told(&state, Some(&entry(set(&["1"]))), false);
        assert_eq!(
            (&change["type_before"], &change["type"]),
            (&json!("bytes"), &json!("set"))
        );
        let mortal = Entry {
            ttl_seconds: Some(60),
            ..entry(Value::Bytes(b"1".to_vec()))
        };
        assert_eq!(told(&state, Some(&mortal), false)["time_to_live"], "gained");
        let state = KeyState {
            expires: true,
            ..state
        };
        assert_eq!(told(&state, Some(&mortal), false), Json::Null);
        let forever = entry(Value::Bytes(b"1".to_vec()));
        assert_eq!(told(&state, Some(&forever), false)["time_to_live"], "lost");
    }

    #[test]
    fn nothing_is_told_of_what_redis_sync_did_not_write() {
        let state = KeyState {
            owned: Owned::ByNobody,
            ..held(hash(&[("password", "secret")]))
        };
        let new = entry(hash(&[("a", "1")]));
        let change = json!(compare("k", &state, Some(&new), true, false));
        assert_eq!(change["taken_over"], true);
        assert!(!change.to_string().contains("password"), "{change}");
        assert_eq!(change["bytes_before"], Json::Null);
    }

    #[test]
    fn a_removed_key_is_told_and_one_that_is_gone_is_not() {
        let state = held(hash(&[("a", "1")]));
        assert_eq!(told(&state, None, false)["change"], "removed");
        let state = KeyState {
            reading: Reading::Nothing,
            ..state
        };
        assert_eq!(told(&state, None, false), Json::Null);
        let added = told(&state, Some(&entry(set(&["a"]))), false);
        assert_eq!(added["change"], "added");
    }

    #[test]
    fn a_value_that_is_too_large_is_told_as_changed_by_its_size() {
        let state = KeyState {
            reading: Reading::TooLarge(5000),
            ..held(set(&[]))
        };
        let change = told(&state, Some(&entry(set(&["a"]))), true);
        assert_eq!(change["bytes_before"], 5000);
        assert_eq!(change["elements"], Json::Null);
    }
}
