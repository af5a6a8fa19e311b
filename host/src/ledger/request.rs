//! One call of the commit script.

use super::commit::{Proposal, Source, Write};
use super::names::Names;
use super::script::{COMMIT, Call};
use super::stage::Staged;
use crate::entry::{Entry, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

/// What one call concerns: everything, or on a cluster one hash slot of it.
pub(super) struct Part<'a> {
    pub(super) owners: String,
    /// Where the objects are listed; `None` on a cluster, where that is not in this slot.
    pub(super) index: Option<String>,
    pub(super) shares: Vec<Share<'a>>,
    /// Keys that the objects had.
    pub(super) undeclared: BTreeSet<String>,
}

/// What one object is to be in one part.
pub(super) struct Share<'a> {
    pub(super) proposal: &'a Proposal,
    pub(super) record: String,
    pub(super) digest: &'a str,
    pub(super) keys: Vec<&'a str>,
    /// `None` where those keys are kept as they are.
    pub(super) entries: Option<Vec<&'a Entry>>,
}

/// What holds for every call.
pub(super) struct Manner<'a> {
    pub(super) adopt: bool,
    /// Whether only conflicts are looked for.
    pub(super) check: bool,
    pub(super) channel: Option<&'a str>,
    pub(super) tombstone: Duration,
}

impl Part<'_> {
    /// The call; values that were staged are named, not sent.
    pub(super) fn call(
        &self,
        names: &Names,
        manner: &Manner<'_>,
        staged: &BTreeMap<String, Staged>,
    ) -> Call {
        let mut call = Call::new(&COMMIT).key(self.owners.as_str());
        for share in &self.shares {
            call = call.key(share.record.as_str());
        }
        if let Some(index) = &self.index {
            call = call.key(index.as_str());
        }
        let mut objects = Vec::with_capacity(self.shares.len());
        for share in &self.shares {
            let first = call.keys() + 1;
            for key in &share.keys {
                call = call.key(*key);
            }
            objects.push(share.form(names, first, call.keys(), self.index.is_some()));
        }
        let declared: HashSet<&str> = self
            .shares
            .iter()
            .flat_map(|share| share.keys.iter().copied())
            .collect();
        for key in self
            .undeclared
            .iter()
            .filter(|key| !declared.contains(key.as_str()))
        {
            call = call.key(key.as_str());
        }
        let mut places = BTreeMap::new();
        let entries = || {
            self.shares
                .iter()
                .filter_map(|share| share.entries.as_ref())
                .flatten()
                .filter(|_| !manner.check)
        };
        for entry in entries() {
            if let Some(staged) = staged.get(&entry.key) {
                call = call.key(staged.key.as_str());
                places.insert(entry.key.as_str(), call.keys());
            }
        }
        let request = RequestForm {
            adopt: manner.adopt,
            check: manner.check,
            index: self.index.is_some(),
            channel: manner.channel,
            tombstone: manner.tombstone.as_secs(),
            staged: places.values().copied().collect(),
            objects,
        };
        // Text and numbers only: nothing that JSON cannot hold.
        let call = call.argument(serde_json::to_vec(&request).unwrap_or_default());
        call.arguments(
            entries().flat_map(|entry| arguments(entry, places.get(entry.key.as_str()).copied())),
        )
    }
}

impl Share<'_> {
    fn form(&self, names: &Names, first: usize, last: usize, whole: bool) -> ObjectForm<'_> {
        ObjectForm {
            name: names.object(&self.proposal.key),
            member: &self.proposal.key,
            ticket: self.proposal.ticket.number.to_string(),
            live: matches!(self.proposal.source, Source::Object { .. }),
            write: matches!(self.proposal.write, Write::Entries(_)),
            digest: self.digest,
            first,
            last,
            fields: if whole {
                self.proposal.source.fields()
            } else {
                Vec::new()
            },
        }
    }
}

#[derive(Serialize)]
struct RequestForm<'a> {
    adopt: bool,
    check: bool,
    index: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    tombstone: u64,
    staged: Vec<usize>,
    objects: Vec<ObjectForm<'a>>,
}

#[derive(Serialize)]
struct ObjectForm<'a> {
    name: String,
    member: &'a str,
    ticket: String,
    live: bool,
    write: bool,
    digest: &'a str,
    first: usize,
    last: usize,
    fields: Vec<String>,
}

/// An entry as the script takes it: kind, time to live, number of elements, elements.
fn arguments(entry: &Entry, staged_at: Option<usize>) -> Vec<Vec<u8>> {
    let (kind, elements) = match staged_at {
        Some(place) => ("staged", vec![place.to_string().into_bytes()]),
        None => (entry.value.kind(), elements(&entry.value)),
    };
    let ttl = entry
        .ttl_seconds
        .map(|seconds| seconds.to_string())
        .unwrap_or_default();
    let mut arguments = vec![
        kind.into(),
        ttl.into_bytes(),
        elements.len().to_string().into_bytes(),
    ];
    arguments.extend(elements);
    arguments
}

/// A value as the arguments of the command that writes it.
pub(super) fn elements(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => vec![bytes.clone()],
        Value::Hash(fields) => fields
            .iter()
            .flat_map(|(field, value)| [field.clone().into_bytes(), value.clone()])
            .collect(),
        Value::List(items) | Value::Set(items) => items.clone(),
        Value::SortedSet(members) => members
            .iter()
            .flat_map(|(member, score)| [score_text(*score).into_bytes(), member.clone()])
            .collect(),
    }
}

/// Rust prints the shortest text that reads back the same; Redis writes infinity as `inf`, as Rust does.
fn score_text(score: f64) -> String {
    score.to_string()
}
