//! What a transform yields: the Redis keys an object stands for.
//!
//! An [`Entry`] is one Redis key. [`EntrySet`] is all of one object's, checked: that is what the
//! ledger commits. The JSON form of entries is in [`document`], the digest
//! of what they make of Redis in [`content`].

pub mod content;
pub mod document;
pub mod footprint;
mod set;

pub use set::{
    EntryError, EntrySet, MAX_ELEMENTS, MAX_KEY_BYTES, MAX_KEYS, MAX_KEYS_BYTES, MAX_TTL_SECONDS,
    RESERVED_PREFIX,
};

/// One Redis key to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The Redis key.
    pub key: String,
    /// What it holds.
    pub value: Value,
    /// Seconds until Redis drops it; `None` keeps it.
    pub ttl_seconds: Option<u64>,
}

/// What one Redis key holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A Redis string.
    Bytes(Vec<u8>),
    /// Field and value pairs.
    Hash(Vec<(String, Vec<u8>)>),
    /// Elements in order.
    List(Vec<Vec<u8>>),
    /// Members in any order.
    Set(Vec<Vec<u8>>),
    /// Members with their scores.
    SortedSet(Vec<(Vec<u8>, f64)>),
}

impl Value {
    /// The name of its kind, as in the entries document.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bytes(_) => "bytes",
            Self::Hash(_) => "hash",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "sorted_set",
        }
    }

    /// Size of the content in bytes: fields, values and members; a score counts 8.
    pub fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Hash(fields) => fields
                .iter()
                .map(|(field, value)| field.len() + value.len())
                .sum(),
            Self::List(items) | Self::Set(items) => items.iter().map(Vec::len).sum(),
            Self::SortedSet(members) => members.iter().map(|(member, _)| member.len() + 8).sum(),
        }
    }

    /// Number of elements; 1 for bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(_) => 1,
            Self::Hash(fields) => fields.len(),
            Self::List(items) | Self::Set(items) => items.len(),
            Self::SortedSet(members) => members.len(),
        }
    }

    /// Whether it is a collection without elements, which Redis cannot hold.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes of keys and content together, as the output limit counts them.
pub fn total_size(entries: &[Entry]) -> usize {
    entries
        .iter()
        .map(|entry| entry.key.len() + entry.value.size())
        .sum()
}
