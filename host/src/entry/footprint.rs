//! How much memory entries take, before there are any, and when they are there.
//!
//! The engine copies what a guest returns out of the guest's memory in one go, and counts the bytes
//! as it does. What it may copy is therefore taken from the budget before. That is less at first
//! than the limit, in proportion to the object: where it is not enough, the plugin is run again, with
//! all that the limit allows. A run comes to the same end each time, so nobody can tell.

use super::{Entry, MAX_ELEMENTS, Value};
use crate::number::to_u64;

/// What an element takes in this process beside its content, in bytes: its place in a list, and what the
/// allocator adds to a small allocation.
const ELEMENT_BYTES: u64 = 56;

/// Texts of all elements: a field of a hash has two.
const MAX_TEXTS: u64 = 2 * MAX_ELEMENTS as u64;

/// The least that is copied for an element beside its content: a pointer and two lengths.
const LEAST_ELEMENT: u64 = 24;

/// What a first run may hand over at least, and for each byte of the object.
const FIRST: u64 = 4 << 20;
const FIRST_PER_BYTE: u64 = 8;

/// How many bytes of copies a run may hand over when all that its limit allows is asked for: the
/// content, and room for its structure.
pub fn most_copied(output_bytes: usize) -> u64 {
    let output = to_u64(output_bytes);
    let structure = (16 << 20) + output.saturating_mul(2);
    output.saturating_add(structure.min(LEAST_ELEMENT * MAX_TEXTS))
}

/// The same for the first run on a body of that size.
pub fn first_copied(output_bytes: usize, body_bytes: usize) -> u64 {
    let first = FIRST.saturating_add(to_u64(body_bytes).saturating_mul(FIRST_PER_BYTE));
    first.min(most_copied(output_bytes))
}

/// The memory that so many bytes of copies take, with what the allocator adds to each element.
pub fn of_copies(copied: u64) -> u64 {
    let texts = (copied / LEAST_ELEMENT).min(MAX_TEXTS);
    copied.saturating_add(texts * (ELEMENT_BYTES - LEAST_ELEMENT))
}

/// The memory that parsing an entries document of that size takes: no text is in
/// fewer than three bytes.
pub fn of_document(document_bytes: u64) -> u64 {
    let texts = (document_bytes / 3).min(MAX_TEXTS);
    document_bytes.saturating_add(texts * ELEMENT_BYTES)
}

/// All that a run may hold beside the guest's memory, in bytes.
pub fn most_of_output(output_bytes: usize) -> u64 {
    let stdout = to_u64(output_bytes);
    let document = stdout
        .saturating_add(stdout / 4)
        .saturating_add(of_document(stdout));
    of_copies(most_copied(output_bytes)).max(document)
}

/// The memory that entries take, in bytes, or a little more.
pub fn of_entries(entries: &[Entry]) -> u64 {
    let texts = |value: &Value| match value {
        Value::Hash(fields) => 2 * fields.len(),
        other => other.len(),
    };
    let of = |entry: &Entry| {
        // The key is looked up in a set of all keys, too.
        let content = 2 * entry.key.len() + entry.value.size();
        to_u64(content) + to_u64(3 + texts(&entry.value)) * ELEMENT_BYTES
    };
    entries.iter().map(of).sum()
}
