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

use super::{Entry, EntryError, MAX_ELEMENTS, MAX_KEYS, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// Reads an entries document. The error says where, never what. Where there are more entries or elements
/// than may be stored the rest is only counted, so that it takes no memory.
pub fn parse(document: &[u8]) -> Result<Vec<Entry>, String> {
    let (mut entries, mut elements) = (0, 0);
    let forms: Vec<EntryForm<'_>> =
        read(document, Bounded::new(&mut entries, MAX_KEYS)).map_err(|error| describe(&error))?;
    if entries > MAX_KEYS {
        return Err(EntryError::TooMany(entries).to_string());
    }
    let into_entry = |(number, form): (usize, EntryForm<'_>)| {
        form.into_entry(&mut elements)
            .map_err(|error| format!("the value of entry {}: {}", number + 1, describe(&error)))
    };
    let entries = forms.into_iter().enumerate().map(into_entry);
    let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
    if elements > MAX_ELEMENTS {
        return Err(EntryError::TooManyElements(elements).to_string());
    }
    Ok(entries)
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
    /// Reads the value, and adds its elements to those before.
    fn into_entry(self, elements: &mut usize) -> serde_json::Result<Entry> {
        let text = self.value.get().as_bytes();
        let items = |elements: &mut usize| -> serde_json::Result<Vec<Vec<u8>>> {
            let items: Vec<Blob> = read(text, Bounded::new(elements, MAX_ELEMENTS))?;
            Ok(items.into_iter().map(|Blob(bytes)| bytes).collect())
        };
        let value = match self.r#type {
            Kind::Bytes => {
                *elements += 1;
                Value::Bytes(read(text, PhantomData::<Blob>)?.0)
            }
            Kind::Hash => Value::Hash(read(text, Fields(elements))?),
            Kind::List => Value::List(items(elements)?),
            Kind::Set => Value::Set(items(elements)?),
            Kind::SortedSet => {
                let members: Vec<(Blob, f64)> = read(text, Bounded::new(elements, MAX_ELEMENTS))?;
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

/// Reads one JSON value, to the end of the text.
fn read<'a, S: DeserializeSeed<'a>>(text: &'a [u8], seed: S) -> serde_json::Result<S::Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// An array, of whose elements those are kept that are among the first `most` of all that were counted.
struct Bounded<'n, T> {
    count: &'n mut usize,
    most: usize,
    element: PhantomData<T>,
}

impl<'n, T> Bounded<'n, T> {
    fn new(count: &'n mut usize, most: usize) -> Self {
        Self {
            count,
            most,
            element: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Bounded<'_, T> {
    type Value = Vec<T>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<'_, T> {
    type Value = Vec<T>;
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut kept = Vec::new();
        while *self.count < self.most {
            let Some(element) = seq.next_element()? else {
                return Ok(kept);
            };
            kept.push(element);
            *self.count += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            *self.count += 1;
        }
        Ok(kept)
    }
}

/// A hash's fields, in the order of the document; bounded as [`Bounded`] by [`MAX_ELEMENTS`].
struct Fields<'n>(&'n mut usize);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Vec<(String, Vec<u8>)>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<(String, Vec<u8>)>;
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of fields")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while *self.0 < MAX_ELEMENTS {
            let Some((field, Blob(value))) = map.next_entry()? else {
                return Ok(kept);
            };
            kept.push((field, value));
            *self.0 += 1;
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            *self.0 += 1;
        }
        Ok(kept)
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
mod tests;
