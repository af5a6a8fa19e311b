//! What the host is handed, laid out as the canonical ABI has it. All of it is left where it is: the
//! instance ends when the host has read it.

use std::mem::ManuallyDrop;

use crate::{Entries, Entry, Value};

/// The result of `transform`.
#[repr(C)]
pub struct Returned {
    is_error: u8,
    /// The entries, or the error's bytes.
    content: Block,
}

/// Where a list or a text begins, and how many items or bytes it has.
#[repr(C)]
struct Block {
    start: *const u8,
    length: usize,
}

/// The record `entry`.
#[repr(C)]
struct OfEntry {
    key: Block,
    value: OfValue,
    ttl_seconds: Optional,
}

/// A number that there may be none of.
#[repr(C)]
struct Optional {
    is_there: u8,
    number: u64,
}

/// The variant `value`, all of whose cases are lists.
#[repr(C)]
struct OfValue {
    case: u8,
    list: Block,
}

/// The member of a sorted set.
#[repr(C)]
struct Scored {
    member: Block,
    score: f64,
}

impl Returned {
    pub(super) fn of(result: Result<Entries, String>) -> *const Self {
        let (is_error, content) = match result {
            Ok(entries) => (0, Block::of_list(entries.into_iter().map(OfEntry::of))),
            Err(message) => (1, Block::of_bytes(message.into_bytes())),
        };
        Box::leak(Box::new(Self { is_error, content }))
    }
}

impl Block {
    fn of_bytes(bytes: Vec<u8>) -> Self {
        let bytes = ManuallyDrop::new(bytes);
        Self {
            start: bytes.as_ptr(),
            length: bytes.len(),
        }
    }

    fn of_list<T>(items: impl Iterator<Item = T>) -> Self {
        let items = ManuallyDrop::new(items.collect::<Vec<T>>());
        Self {
            start: items.as_ptr().cast(),
            length: items.len(),
        }
    }
}

impl OfEntry {
    fn of(entry: Entry) -> Self {
        let ttl_seconds = entry.ttl_seconds();
        let (case, list) = match entry.value {
            Value::Bytes(bytes) => (0, Block::of_bytes(bytes)),
            Value::Hash(fields) => {
                let fields = fields.into_iter();
                let fields = fields.map(|(field, value)| {
                    [Block::of_bytes(field.into_bytes()), Block::of_bytes(value)]
                });
                (1, Block::of_list(fields))
            }
            Value::List(values) => (2, Block::of_list(values.into_iter().map(Block::of_bytes))),
            Value::Set(members) => {
                let members = members.into_iter();
                let members = members.map(|(member, ())| Block::of_bytes(member));
                (3, Block::of_list(members))
            }
            Value::SortedSet(members) => {
                let members = members.into_iter();
                let members = members.map(|(member, score)| Scored {
                    member: Block::of_bytes(member),
                    score,
                });
                (4, Block::of_list(members))
            }
        };
        Self {
            key: Block::of_bytes(entry.key.into_bytes()),
            value: OfValue { case, list },
            ttl_seconds: Optional {
                is_there: ttl_seconds.is_some().into(),
                number: ttl_seconds.unwrap_or_default(),
            },
        }
    }
}
