//! Committing what objects yield.

use super::names::OWNERS;
use super::record::{Ticket, milliseconds_now};
use super::script::{COMMIT, Call};
use super::{Ledger, LedgerError};
use crate::entry::{Entry, EntrySet, Value};
use redis::FromRedisValue;
use serde::Serialize;
use std::collections::BTreeSet;

/// How often a commit is repeated because the set of keys concerned has changed meanwhile.
const ATTEMPTS: u32 = 20;

/// What a proposal was made from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The object is in the bucket.
    Object {
        /// Its entity tag.
        etag: String,
        /// Its version, where the bucket is versioned.
        version_id: Option<String>,
        /// Milliseconds since the Unix epoch.
        last_modified: u64,
        /// Whatever decided the result.
        fingerprint: String,
        /// What of that is not the object's identity; see [`Record::basis`](super::Record::basis).
        basis: String,
        /// Names and digests of the plugins, in order.
        plugins: Vec<(String, String)>,
    },
    /// The object is not in the bucket.
    Gone,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub enum Write {
    /// These entries.
    Entries(EntrySet),
    /// Nothing: what the record says is still right, as long as it says the same.
    Keep,
}

/// What one object is to be.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The object's key.
    pub key: String,
    /// The ticket taken before anything was read.
    pub ticket: Ticket,
    /// What it was made from.
    pub source: Source,
    /// What it yields.
    pub write: Write,
}

/// What became of proposals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They hold now.
    Committed {
        /// Redis keys written.
        written: usize,
        /// Redis keys removed.
        removed: usize,
    },
    /// A later ticket of that proposal has committed.
    Superseded(usize),
    /// That proposal says [`Write::Keep`], but its record or its keys have changed.
    Changed(usize),
    /// That proposal claims a key that is not free.
    Conflict {
        /// The proposal.
        proposal: usize,
        /// The Redis key.
        redis_key: String,
        /// Who has it.
        owner: Owner,
    },
}

/// Who has a Redis key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An object of this bucket, by its key.
    Object(String),
    /// An object of another bucket, as `bucket/key`.
    Elsewhere(String),
    /// Somebody else than Redis Sync.
    Unknown,
}

impl Ledger {
    /// Commits all of `proposals` or none. Safe to repeat.
    pub async fn commit(&self, proposals: &[Proposal]) -> Result<Verdict, LedgerError> {
        let mut plans = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            plans.push(self.plan(proposal).await?);
        }
        let mut undeclared: BTreeSet<String> = proposals
            .iter()
            .flat_map(|proposal| proposal.ticket.record.keys.clone().unwrap_or_default())
            .collect();
        for _ in 0..ATTEMPTS {
            let call = &self.commit_call(proposals, &plans, &undeclared);
            let answer: Vec<Answer> = self
                .link
                .run(|mut link| async move { call.invoke(&mut link).await })
                .await?;
            match self.verdict(&answer) {
                Ok(verdict) => return Ok(verdict),
                Err(more) => undeclared.extend(more),
            }
        }
        Err(LedgerError::Contended(
            proposals
                .iter()
                .map(|proposal| proposal.key.as_str())
                .collect::<Vec<_>>()
                .join("`, `"),
        ))
    }

    async fn plan<'a>(&self, proposal: &'a Proposal) -> Result<Plan<'a>, LedgerError> {
        Ok(match &proposal.write {
            Write::Entries(set) => Plan {
                keys: set
                    .entries()
                    .iter()
                    .map(|entry| entry.key.clone())
                    .collect(),
                digest: set.digest(),
                entries: Some(set.entries()),
            },
            Write::Keep => Plan {
                keys: match &proposal.ticket.record.keys {
                    Some(keys) => keys.clone(),
                    None => self.recorded_keys(&proposal.key).await?,
                },
                digest: proposal.ticket.record.digest.clone().unwrap_or_default(),
                entries: None,
            },
        })
    }

    fn commit_call(
        &self,
        proposals: &[Proposal],
        plans: &[Plan<'_>],
        undeclared: &BTreeSet<String>,
    ) -> Call {
        let mut call = Call::new(&COMMIT).key(self.names.index()).key(OWNERS);
        for proposal in proposals {
            call = call.key(self.names.record(&proposal.key));
        }
        let mut objects = Vec::with_capacity(proposals.len());
        // Places in Lua's tables count from 1.
        let mut next = 3 + proposals.len();
        for (proposal, plan) in proposals.iter().zip(plans) {
            let first = next;
            next += plan.keys.len();
            for key in &plan.keys {
                call = call.key(key.as_str());
            }
            objects.push(ObjectForm {
                name: self.names.object(&proposal.key),
                member: &proposal.key,
                ticket: proposal.ticket.number.to_string(),
                live: matches!(proposal.source, Source::Object { .. }),
                write: plan.entries.is_some(),
                digest: &plan.digest,
                first,
                last: next - 1,
                fields: fields(&proposal.source),
            });
        }
        let declared: BTreeSet<&String> = plans.iter().flat_map(|plan| &plan.keys).collect();
        for key in undeclared.iter().filter(|key| !declared.contains(key)) {
            call = call.key(key.as_str());
        }
        let request = RequestForm {
            adopt: self.adopt_keys,
            channel: self.changes_channel.as_deref(),
            tombstone: self.tombstone.as_secs(),
            objects,
        };
        // Text and numbers only: nothing that JSON cannot hold.
        let call = call.argument(serde_json::to_vec(&request).unwrap_or_default());
        let entries = plans.iter().filter_map(|plan| plan.entries).flatten();
        call.arguments(entries.flat_map(arguments))
    }

    /// The verdict, or the keys that the script wants to be declared.
    fn verdict(&self, answer: &[Answer]) -> Result<Verdict, Vec<String>> {
        let number = |place: usize| answer.get(place).map_or(0, Answer::number);
        let text = |place: usize| answer.get(place).map(Answer::text).unwrap_or_default();
        Ok(match text(0).as_str() {
            "committed" => Verdict::Committed {
                written: number(1),
                removed: number(2),
            },
            "superseded" => Verdict::Superseded(number(1)),
            "changed" => Verdict::Changed(number(1)),
            "conflict" => Verdict::Conflict {
                proposal: number(1),
                redis_key: text(2),
                owner: self.owner(text(3)),
            },
            _ => return Err(answer.iter().skip(1).map(Answer::text).collect()),
        })
    }

    fn owner(&self, name: String) -> Owner {
        match self.names.key_of(&name) {
            Some(key) => Owner::Object(key.to_owned()),
            None if name.is_empty() => Owner::Unknown,
            None => Owner::Elsewhere(name),
        }
    }
}

/// What a proposal means for Redis.
struct Plan<'a> {
    keys: Vec<String>,
    digest: String,
    entries: Option<&'a [Entry]>,
}

#[derive(Serialize)]
struct RequestForm<'a> {
    adopt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    tombstone: u64,
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

/// The record's fields, name and value in turn.
fn fields(source: &Source) -> Vec<String> {
    let now = milliseconds_now().to_string();
    let pairs: Vec<(&str, String)> = match source {
        Source::Gone => {
            let emptied = [
                "fingerprint",
                "basis",
                "etag",
                "version_id",
                "last_modified",
            ];
            let pairs = emptied.map(|name| (name, String::new())).into_iter();
            pairs
                .chain([("plugins", "[]".to_owned()), ("written_at", now)])
                .collect()
        }
        Source::Object {
            etag,
            version_id,
            last_modified,
            fingerprint,
            basis,
            plugins,
        } => {
            let plugins: Vec<_> = plugins
                .iter()
                .map(|(name, digest)| serde_json::json!({"name": name, "sha256": digest}))
                .collect();
            vec![
                ("fingerprint", fingerprint.clone()),
                ("basis", basis.clone()),
                ("etag", etag.clone()),
                ("version_id", version_id.clone().unwrap_or_default()),
                ("last_modified", last_modified.to_string()),
                ("plugins", serde_json::Value::from(plugins).to_string()),
                ("written_at", now),
            ]
        }
    };
    pairs
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
}

/// An entry as the script takes it: kind, time to live, number of elements, elements.
fn arguments(entry: &Entry) -> Vec<Vec<u8>> {
    let elements: Vec<Vec<u8>> = match &entry.value {
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
    };
    let ttl = entry
        .ttl_seconds
        .map(|seconds| seconds.to_string())
        .unwrap_or_default();
    let mut arguments = vec![
        entry.value.kind().into(),
        ttl.into_bytes(),
        elements.len().to_string().into_bytes(),
    ];
    arguments.extend(elements);
    arguments
}

/// Rust prints the shortest text that reads back the same; Redis writes infinity as `inf`, as Rust does.
fn score_text(score: f64) -> String {
    score.to_string()
}

/// One element of the script's answer.
enum Answer {
    Number(usize),
    Text(String),
}

impl Answer {
    fn number(&self) -> usize {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) => 0,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl FromRedisValue for Answer {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        match value {
            redis::Value::Int(number) => Ok(Self::Number(usize::try_from(number).unwrap_or(0))),
            value => Ok(Self::Text(String::from_redis_value(value)?)),
        }
    }
}
