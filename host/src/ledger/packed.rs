//! Entries as the commit scripts and the commands that write them take them.

use crate::entry::{Entry, Value};
use std::borrow::Cow;

/// The largest value that is sent with the commit, in elements.
const MAX_ELEMENTS: usize = 1000;

/// The same in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Records and entries in one argument: each part after its length.
#[derive(Default)]
pub(super) struct Packed(pub(super) Vec<u8>);

impl Packed {
    /// Kind, time to live, number of elements, elements. A value that was staged is named by its
    /// place among the keys instead.
    pub(super) fn entry(&mut self, entry: &Entry, staged_at: Option<usize>) {
        let (kind, elements) = match staged_at {
            Some(place) => ("staged", vec![place.to_string().into_bytes().into()]),
            None => (entry.value.kind(), elements(&entry.value)),
        };
        let ttl = entry.ttl_seconds.map(|seconds| seconds.to_string());
        self.part(kind.as_bytes());
        self.part(ttl.unwrap_or_default().as_bytes());
        self.part(elements.len().to_string().as_bytes());
        for element in &elements {
            self.part(element);
        }
    }

    /// A digest, and some fields.
    pub(super) fn parts(&mut self, digest: &[u8], fields: &[Vec<u8>]) {
        self.part(digest);
        for field in fields {
            self.part(field);
        }
    }

    /// What is larger than a length has room for was staged.
    fn part(&mut self, part: &[u8]) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_le_bytes());
        self.0.extend(part);
    }
}

/// A value as the arguments of the command that writes it.
pub(super) fn elements(value: &Value) -> Vec<Cow<'_, [u8]>> {
    match value {
        Value::Bytes(bytes) => vec![bytes.into()],
        Value::Hash(fields) => fields
            .iter()
            .flat_map(|(field, value)| [field.as_bytes().into(), value.into()])
            .collect(),
        Value::List(items) | Value::Set(items) => items.iter().map(Cow::from).collect(),
        Value::SortedSet(members) => members
            .iter()
            .flat_map(|(member, score)| [score_text(*score).into_bytes().into(), member.into()])
            .collect(),
    }
}

/// Whether a value is too large to be sent with a commit.
pub(super) fn is_large(value: &Value) -> bool {
    value.len() > MAX_ELEMENTS || value.size() > MAX_BYTES
}

/// The largest part of a value that one command has to carry, in bytes, if it is larger than a chunk.
pub(super) fn largest_element(value: &Value) -> usize {
    let largest = match value {
        Value::Bytes(_) => None,
        Value::Hash(fields) => fields
            .iter()
            .map(|(field, value)| field.len() + value.len())
            .max(),
        Value::List(items) | Value::Set(items) => items.iter().map(Vec::len).max(),
        Value::SortedSet(members) => members.iter().map(|(member, _)| member.len()).max(),
    };
    largest.unwrap_or_default()
}

/// The shortest text that reads back the same: `{:?}` writes an exponent where that is shorter, and
/// infinity as `inf`, as Redis does.
pub(super) fn score_text(score: f64) -> String {
    format!("{score:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_element_is_what_one_command_carries() {
        let (short, long) = (vec![0; 3], vec![0; 50]);
        for (value, largest) in [
            (Value::Bytes(long.clone()), 0),
            (
                Value::Hash(vec![
                    ("field".into(), long.clone()),
                    ("f".into(), short.clone()),
                ]),
                55,
            ),
            (Value::List(vec![short.clone(), long.clone()]), 50),
            (Value::Set(vec![long.clone(), short.clone()]), 50),
            (Value::SortedSet(vec![(short, 1e300), (long, 1.0)]), 50),
            (Value::List(Vec::new()), 0),
        ] {
            assert_eq!(largest_element(&value), largest, "{value:?}");
        }
    }

    #[test]
    fn a_score_is_short_and_reads_back_the_same() {
        for score in [5e-324, f64::MAX, 0.1, -1.5, 0.0, f64::INFINITY, 1e21] {
            let text = score_text(score);
            assert!(text.len() < 25, "{text}");
            assert_eq!(text.parse(), Ok(score));
        }
    }
}
