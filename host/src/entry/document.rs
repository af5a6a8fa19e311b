//! The entries document: entries as JSON.
//!
//! ```json
//! [{"key": "k", "type": "bytes", "value": "text"},
//!  {"key": "b", "type": "bytes", "value": {"base64": "AAE="}},
//!  {"key": "h", "type": "hash", "value": {"field": "text"}, "ttl_seconds": 60},
//!  {"key": "l", "type": "list", "value": ["a", "b"]},
//!  {"key": "s", "type": "set", "value": ["a"]},
//!  {"key": "z", "type": "sorted_set", "value": [["member", 1.5]]}]
//! ```
//!
//! Text stands for its UTF-8 bytes; bytes that are not UTF-8 stand as `{"base64": ...}` wherever
//! text may.

use super::{Entry, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Reads an entries document. The error names line and column, never content.
pub fn parse(document: &[u8]) -> Result<Vec<Entry>, String> {
    let entries: Vec<EntryForm> =
        serde_json::from_slice(document).map_err(|error| describe(&error))?;
    Ok(entries.into_iter().map(EntryForm::into_entry).collect())
}

/// Writes entries as a document, one entry a line.
pub fn render(entries: &[Entry]) -> String {
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| to_json(&EntryRef(entry)).to_string())
        .collect();
    format!("[{}]", lines.join(",\n "))
}

/// One value in the document's form: what `{"read": KEY}` answers with.
pub fn value_json(value: &Value) -> serde_json::Value {
    to_json(&ValueRef(value))
}

fn to_json(value: &impl Serialize) -> serde_json::Value {
    // Maps with text keys and finite or null numbers: nothing here that JSON cannot hold.
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}

/// serde's messages quote the offending value; the document is config content and may be secret.
fn describe(error: &serde_json::Error) -> String {
    let problem = match error.classify() {
        serde_json::error::Category::Data => "not of the entries document's form",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
    };
    format!(
        "{problem} (line {}, column {})",
        error.line(),
        error.column()
    )
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum EntryForm {
    Bytes {
        key: String,
        value: Blob,
        ttl_seconds: Option<u64>,
    },
    Hash {
        key: String,
        value: Fields,
        ttl_seconds: Option<u64>,
    },
    List {
        key: String,
        value: Vec<Blob>,
        ttl_seconds: Option<u64>,
    },
    Set {
        key: String,
        value: Vec<Blob>,
        ttl_seconds: Option<u64>,
    },
    SortedSet {
        key: String,
        value: Vec<(Blob, f64)>,
        ttl_seconds: Option<u64>,
    },
}

impl EntryForm {
    fn into_entry(self) -> Entry {
        let bare = |items: Vec<Blob>| items.into_iter().map(|Blob(bytes)| bytes).collect();
        let (key, value, ttl_seconds) = match self {
            Self::Bytes {
                key,
                value,
                ttl_seconds,
            } => (key, Value::Bytes(value.0), ttl_seconds),
            Self::Hash {
                key,
                value,
                ttl_seconds,
            } => (key, Value::Hash(value.0), ttl_seconds),
            Self::List {
                key,
                value,
                ttl_seconds,
            } => (key, Value::List(bare(value)), ttl_seconds),
            Self::Set {
                key,
                value,
                ttl_seconds,
            } => (key, Value::Set(bare(value)), ttl_seconds),
            Self::SortedSet {
                key,
                value,
                ttl_seconds,
            } => {
                let members = value
                    .into_iter()
                    .map(|(Blob(member), score)| (member, score));
                (key, Value::SortedSet(members.collect()), ttl_seconds)
            }
        };
        Entry {
            key,
            value,
            ttl_seconds,
        }
    }
}

/// Text, or `{"base64": ...}`.
struct Blob(Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Base64(Base64),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Base64 {
            base64: String,
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into_bytes())),
            Form::Base64(Base64 { base64 }) => STANDARD
                .decode(base64)
                .map(Self)
                .map_err(|_| D::Error::custom("invalid base64")),
        }
    }
}

/// A hash's fields, in the order of the document.
struct Fields(Vec<(String, Vec<u8>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((field, Blob(value))) = map.next_entry::<String, Blob>()? {
                    fields.push((field, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct EntryRef<'a>(&'a Entry);

impl Serialize for EntryRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.0.key)?;
        map.serialize_entry("type", self.0.value.kind())?;
        map.serialize_entry("value", &ValueRef(&self.0.value))?;
        if let Some(seconds) = self.0.ttl_seconds {
            map.serialize_entry("ttl_seconds", &seconds)?;
        }
        map.end()
    }
}

struct ValueRef<'a>(&'a Value);

impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bytes(bytes) => BlobRef(bytes).serialize(serializer),
            Value::Hash(fields) => {
                serializer.collect_map(fields.iter().map(|(field, value)| (field, BlobRef(value))))
            }
            Value::List(items) | Value::Set(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&BlobRef(item))?;
                }
                seq.end()
            }
            Value::SortedSet(members) => serializer.collect_seq(
                members
                    .iter()
                    .map(|(member, score)| MemberRef(member, *score)),
            ),
        }
    }
}

struct MemberRef<'a>(&'a [u8], f64);

impl Serialize for MemberRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&BlobRef(self.0))?;
        pair.serialize_element(&self.1)?;
        pair.end()
    }
}

struct BlobRef<'a>(&'a [u8]);

impl Serialize for BlobRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_map([("base64", STANDARD.encode(self.0))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str = r#"[{"key": "k", "type": "bytes", "value": "text"},
        {"key": "b", "type": "bytes", "value": {"base64": "AAH/"}},
        {"key": "h", "type": "hash", "value": {"field": "text"}, "ttl_seconds": 60},
        {"key": "l", "type": "list", "value": ["a", "b"]},
        {"key": "s", "type": "set", "value": ["a"]},
        {"key": "z", "type": "sorted_set", "value": [["member", 1.5]]}]"#;

    #[test]
    fn the_documented_example_reads_and_writes() {
        let entries = parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(entries.len(), 6);
        assert_eq!(entries[1].value, Value::Bytes(vec![0, 1, 255]));
        assert_eq!(entries[2].ttl_seconds, Some(60));
        let again: serde_json::Value = serde_json::from_str(&render(&entries)).unwrap();
        assert_eq!(
            again,
            serde_json::from_str::<serde_json::Value>(EXAMPLE).unwrap()
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_the_document() {
        for bad in [
            r#"[{"key":"k","type":"bytes","value":7777}]"#,
            r#"[{"key":"k","type":"SECRET","value":""}]"#,
            "SECRET",
            "[",
        ] {
            let message = parse(bad.as_bytes()).unwrap_err();
            assert!(message.contains("line 1"), "{message}");
            assert!(
                !message.contains("SECRET") && !message.contains("7777"),
                "{message}"
            );
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let blob = || prop::collection::vec(any::<u8>(), 0..8);
        prop_oneof![
            blob().prop_map(Value::Bytes),
            prop::collection::btree_map(".{0,4}", blob(), 0..4)
                .prop_map(|map| Value::Hash(map.into_iter().collect())),
            prop::collection::vec(blob(), 0..4).prop_map(Value::List),
            prop::collection::vec(blob(), 0..4).prop_map(Value::Set),
            prop::collection::vec((blob(), -1e9..1e9), 0..4).prop_map(Value::SortedSet),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back_the_same(key in ".{0,8}", value in any_value(), ttl_seconds in any::<Option<u64>>()) {
            let entries = vec![Entry { key, value, ttl_seconds }];
            prop_assert_eq!(parse(render(&entries).as_bytes()).unwrap(), entries);
        }

        #[test]
        fn no_input_panics(document in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&document);
        }
    }
}
