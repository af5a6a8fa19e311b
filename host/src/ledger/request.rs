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
        let mut packed = Packed::default();
        for entry in entries() {
            packed.entry(entry, places.get(entry.key.as_str()).copied());
        }
        call.argument(serde_json::to_vec(&request).unwrap_or_default())
            .argument(packed.0)
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

/// Entries as the script takes them: each part after its length.
#[derive(Default)]
struct Packed(Vec<u8>);

impl Packed {
    /// Kind, time to live, number of elements, elements.
    fn entry(&mut self, entry: &Entry, staged_at: Option<usize>) {
        let (kind, elements) = match staged_at {
            Some(place) => ("staged", vec![place.to_string().into_bytes()]),
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

    /// What is larger than a length has room for was staged.
    fn part(&mut self, part: &[u8]) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_le_bytes());
        self.0.extend(part);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntrySet;
    use crate::ledger::{Record, Ticket};

    /// ElastiCache Serverless takes no more in one request.
    const MAX_ARGUMENTS: usize = 3999;

    #[test]
    fn almost_all_arguments_of_a_request_are_for_keys() {
        let entry = |number| Entry {
            key: format!("{{tag}}:{number}"),
            value: Value::Hash(vec![("field".into(), "value".into())]),
            ttl_seconds: Some(60),
        };
        let entries = EntrySet::new((0..3990).map(entry).collect(), "", None).unwrap();
        let proposal = Proposal {
            key: "object".into(),
            ticket: Ticket {
                number: 1,
                record: Record::default(),
            },
            source: Source::Gone,
            write: Write::Entries(entries.clone()),
        };
        let part = Part {
            owners: "owners".into(),
            index: Some("index".into()),
            shares: vec![Share {
                proposal: &proposal,
                record: "record".into(),
                digest: "",
                keys: entries.entries().iter().map(|entry| &*entry.key).collect(),
                entries: Some(entries.entries().iter().collect()),
            }],
            undeclared: BTreeSet::new(),
        };
        let manner = Manner {
            adopt: true,
            check: false,
            channel: None,
            tombstone: Duration::from_secs(1),
        };
        let call = part.call(&Names::new("config", false), &manner, &BTreeMap::new());
        let arguments = call.command().args_iter().count();
        assert!((3990..MAX_ARGUMENTS).contains(&arguments), "{arguments}");
    }
}
