//! What one call of a commit script concerns.

use super::call::Call;
use super::names::Names;
use super::packed::Packed;
use super::proposal::Proposal;
use super::stage::AllStaged;
use crate::entry::{Entry, Value};
use redis::Script;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// What one call concerns: everything, or on a cluster one hash slot of it.
pub(super) struct Request<'a> {
    /// The owners of the data keys.
    pub(super) owners: String,
    /// Where the objects are listed; `None` on a cluster, where that is not in this slot.
    pub(super) index: Option<String>,
    /// What each object is to have here.
    pub(super) shares: Vec<Share<'a>>,
    /// Keys that the objects had, as far as is known.
    pub(super) known: BTreeSet<String>,
}

/// What one object is to have in one place.
pub(super) struct Share<'a> {
    pub(super) proposal: &'a Proposal,
    /// The place of that among all that are committed together.
    pub(super) place: usize,
    /// Its record, or the part of it that is here.
    pub(super) record: String,
    /// The same of versions before that called it otherwise.
    pub(super) earlier: Option<String>,
    pub(super) keys: Vec<&'a str>,
    /// What is to be written to those keys; nothing where they stay as they are.
    pub(super) entries: Vec<&'a Entry>,
    /// Keys that its record lists; on one server that is here.
    pub(super) recorded: Vec<&'a str>,
}

/// What the script is told as JSON; the rest is packed.
#[derive(Serialize)]
struct Told<'a> {
    adopt: bool,
    channel: &'a str,
    /// Seconds.
    tombstone: u64,
    /// Places of the staged values, the commands that tell their lengths, and these.
    staged: Vec<(usize, &'static str, usize)>,
    commands: BTreeSet<&'static str>,
    earlier: Option<Earlier<'a>>,
    objects: Vec<Object<'a>>,
}

/// How objects were called by versions before, and are now, without their keys.
#[derive(Serialize)]
struct Earlier<'a> {
    prefix: &'a str,
    from: String,
    to: String,
}

/// What the script is told of one object.
#[derive(Serialize)]
struct Object<'a> {
    name: String,
    member: &'a str,
    /// In digits: a number of JSON has fewer of them.
    ticket: String,
    live: bool,
    write: bool,
    /// Places of its keys.
    first: usize,
    last: usize,
    /// The place of the record that versions before called otherwise.
    earlier: Option<usize>,
    /// Packed fields of its record.
    fields: usize,
    /// Places of the keys that its record at home lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recorded: Vec<usize>,
}

/// What holds for every commit.
pub(super) struct CommitOptions<'a> {
    /// Whether keys that nobody owns are taken over.
    pub(super) adopt: bool,
    /// Where changed keys are published.
    pub(super) channel: Option<&'a str>,
    /// How long the record of an object without keys is kept.
    pub(super) tombstone: Duration,
}

impl Request<'_> {
    /// The call; values that were staged are named, not sent.
    pub(super) fn call(
        &self,
        script: &'static Script,
        names: &Names,
        options: &CommitOptions<'_>,
        staged: &AllStaged,
    ) -> Call {
        let mut call = Call::new(script).key(self.owners.as_str());
        for share in &self.shares {
            call = call.key(share.record.as_str());
        }
        if let Some(index) = &self.index {
            call = call.key(index.as_str());
        }
        let earlier = names.earlier();
        if let (Some(_), Some(earlier)) = (&self.index, &earlier) {
            call = call.key(earlier.index(""));
        }
        let mut objects = Vec::with_capacity(self.shares.len());
        let mut packed = Packed::default();
        let mut place_of: HashMap<&str, usize> = HashMap::new();
        for share in &self.shares {
            let first = call.keys() + 1;
            place_of.extend(share.keys.iter().copied().zip(first..));
            call = share.keys.iter().fold(call, |call, key| call.key(*key));
            let last = call.keys();
            call = share
                .earlier
                .iter()
                .fold(call, |call, key| call.key(key.as_str()));
            let fields = share.fields(self.index.is_some());
            objects.push(share.told(names, first, last, fields.len()));
            packed.parts(&share.proposal.raw_digest(), &fields);
        }
        for key in self.known_only() {
            call = call.key(key);
            place_of.insert(key, call.keys());
        }
        for (object, share) in objects.iter_mut().zip(&self.shares) {
            let recorded = share.recorded.iter();
            object.recorded = recorded
                .filter_map(|key| place_of.get(key).copied())
                .collect();
        }
        let (mut places, mut lengths) = (BTreeMap::new(), Vec::new());
        for entry in self.entries() {
            if let Some(staged) = staged.get(&entry.key) {
                call = call.key(staged.key.as_str());
                places.insert(entry.key.as_str(), call.keys());
                lengths.push((call.keys(), length_command(&entry.value), staged.length));
            }
        }
        let told = Told {
            adopt: options.adopt,
            channel: options.channel.unwrap_or_default(),
            tombstone: options.tombstone.as_secs(),
            staged: lengths,
            commands: self.commands(&places),
            earlier: earlier.as_ref().map(|earlier| Earlier {
                prefix: names.prefix(),
                from: earlier.object(""),
                to: names.object(""),
            }),
            objects,
        };
        for entry in self.entries() {
            packed.entry(entry, places.get(entry.key.as_str()).copied());
        }
        call.argument(json(&told)).argument(packed.0)
    }

    /// The commands that the script will call when it has begun to write, so that it can ask whether it may.
    fn commands(&self, staged: &BTreeMap<&str, usize>) -> BTreeSet<&'static str> {
        let mut commands = BTreeSet::from([
            "EXPIRE", "HDEL", "HGETALL", "HSET", "PERSIST", "UNLINK", "ZADD", "ZREM",
        ]);
        for entry in self.entries() {
            commands.insert(match &entry.value {
                _ if staged.contains_key(entry.key.as_str()) => "RENAME",
                Value::Bytes(_) if entry.ttl_seconds.is_some() => "SET",
                Value::Bytes(_) => "MSET",
                Value::Hash(_) => "HSET",
                Value::List(_) => "RPUSH",
                Value::Set(_) => "SADD",
                Value::SortedSet(_) => "ZADD",
            });
        }
        commands
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shares
            .iter()
            .flat_map(|share| share.entries.iter().copied())
    }

    /// The known keys that no object is to have.
    fn known_only(&self) -> impl Iterator<Item = &str> {
        let declared: HashSet<&str> = self
            .shares
            .iter()
            .flat_map(|share| share.keys.iter().copied())
            .collect();
        self.known
            .iter()
            .map(String::as_str)
            .filter(move |key| !declared.contains(key))
    }
}

impl Share<'_> {
    /// What the script is told of the object, whose keys are in these places.
    fn told(&self, names: &Names, first: usize, last: usize, fields: usize) -> Object<'_> {
        Object {
            name: names.object(&self.proposal.key),
            member: &self.proposal.key,
            ticket: self.proposal.ticket.number.to_string(),
            live: self.proposal.is_live(),
            write: self.proposal.writes(),
            first,
            last,
            earlier: self.earlier.as_ref().map(|_| last + 1),
            fields,
            recorded: Vec::new(),
        }
    }

    /// What is recorded, name and value in turn.
    fn fields(&self, whole: bool) -> Vec<Vec<u8>> {
        let commit = self.proposal.commit();
        if whole {
            commit.encode(&self.keys)
        } else {
            commit.encode_part(&self.keys)
        }
    }
}

/// The command that tells how long a value of that kind is.
fn length_command(value: &Value) -> &'static str {
    match value {
        Value::Bytes(_) => "STRLEN",
        Value::Hash(_) => "HLEN",
        Value::List(_) => "LLEN",
        Value::Set(_) => "SCARD",
        Value::SortedSet(_) => "ZCARD",
    }
}

/// Nothing that is told has keys that are no text, which is all that could fail.
fn json(told: &Told<'_>) -> Vec<u8> {
    serde_json::to_vec(told).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntrySet;
    use crate::ledger::call::COMMIT;
    use crate::ledger::{Record, Source, Ticket, Touched, Write};

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
            write: Write::Entries(entries),
            touched: Touched::default(),
        };
        let request = Request {
            owners: "owners".into(),
            index: Some("index".into()),
            shares: vec![Share {
                proposal: &proposal,
                record: "record".into(),
                earlier: None,
                place: 0,
                keys: proposal.keys().collect(),
                entries: proposal.entries().iter().collect(),
                recorded: Vec::new(),
            }],
            known: BTreeSet::new(),
        };
        let options = CommitOptions {
            adopt: true,
            channel: None,
            tombstone: Duration::from_secs(1),
        };
        let names = Names::new("config", "", false);
        let call = request.call(&COMMIT, &names, &options, &BTreeMap::new());
        let arguments = call.command().args_iter().count();
        assert!((3990..MAX_ARGUMENTS).contains(&arguments), "{arguments}");
    }
}
