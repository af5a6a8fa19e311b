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
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// Reads an entries document. The error says where, never what.
pub fn parse(document: &[u8]) -> Result<Vec<Entry>, String> {
    let entries: Vec<EntryForm<'_>> =
        serde_json::from_slice(document).map_err(|error| describe(&error))?;
    let read = |(number, form): (usize, EntryForm<'_>)| {
        form.into_entry()
            .map_err(|error| format!("the value of entry {}: {}", number + 1, describe(&error)))
    };
    entries.into_iter().enumerate().map(read).collect()
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

/// An entry whose value is read once its type is known: without a copy of all that it holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm<'a> {
    key: String,
    r#type: Kind,
    #[serde(borrow)]
    value: &'a RawValue,
    ttl_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Bytes,
    Hash,
    List,
    Set,
    SortedSet,
}

impl EntryForm<'_> {
    fn into_entry(self) -> serde_json::Result<Entry> {
        let text = self.value.get();
        let items = || -> serde_json::Result<Vec<Vec<u8>>> {
            let items: Vec<Blob> = serde_json::from_str(text)?;
            Ok(items.into_iter().map(|Blob(bytes)| bytes).collect())
        };
        let value = match self.r#type {
            Kind::Bytes => Value::Bytes(serde_json::from_str::<Blob>(text)?.0),
            Kind::Hash => Value::Hash(serde_json::from_str::<Fields>(text)?.0),
            Kind::List => Value::List(items()?),
            Kind::Set => Value::Set(items()?),
            Kind::SortedSet => {
                let members: Vec<(Blob, f64)> = serde_json::from_str(text)?;
                let bare = members
                    .into_iter()
                    .map(|(Blob(member), score)| (member, score));
                Value::SortedSet(bare.collect())
            }
        };
        Ok(Entry {
            key: self.key,
            value,
            ttl_seconds: self.ttl_seconds,
        })
    }
}

/// Text, or `{"base64": ...}`.
struct Blob(Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Base64 {
            base64: String,
        }
        struct BlobVisitor;
        impl<'de> Visitor<'de> for BlobVisitor {
            type Value = Blob;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text or base64")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
                Ok(Blob(text.as_bytes().to_vec()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Blob, A::Error> {
                let Base64 { base64 } = Base64::deserialize(MapAccessDeserializer::new(map))?;
                STANDARD
                    .decode(base64)
                    .map(Blob)
                    .map_err(|_| A::Error::custom("invalid base64"))
            }
        }
        deserializer.deserialize_any(BlobVisitor)
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
