//! Each script on a real Redis: a state and a call in, an answer and a state out.

mod cluster;
mod commit;
mod home;
mod single;
mod values;

use super::call::Call;
use super::connection::Connection;
use super::names::Names;
use super::proposal::{Proposal, Ticket, Touched, Write};
use super::record::fields::{FIELDS, KEY_FIELDS, keys};
use super::record::{Record, Source};
use super::request::{CommitOptions, Request, Share};
use super::stage::Staged;
use crate::entry::{Entry, EntrySet, Value as EntryValue};
use redis::Script;
use redis_sync_local::Redis;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Fields of a record that say nothing about the protocol.
const DESCRIPTIONS: [&str; 5] = ["s", "e", "p", "q", "r"];

/// A Redis server, and a connection to it.
struct Server {
    redis: Redis,
    connection: Connection,
}

impl Server {
    async fn start() -> Self {
        let redis = Redis::start().await.unwrap();
        let client = redis::Client::open(redis.url()).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let connection = Connection::Single(connection);
        Self { redis, connection }
    }

    /// Empties Redis, then carries out commands, a line each.
    async fn set(&mut self, commands: &str) {
        self.redis.command(&["FLUSHALL"]).await.unwrap();
        self.set_more(commands).await;
    }

    /// The same with what is there.
    async fn set_more(&self, commands: &str) {
        for line in commands.lines().map(str::trim) {
            let words: Vec<String> = line.split_whitespace().map(unescaped).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if !words.is_empty() {
                self.redis.command(&words).await.unwrap();
            }
        }
    }

    /// The answer of a script, as one line.
    async fn answer(&mut self, call: &Call) -> String {
        let answer: redis::Value = call.invoke(&mut self.connection).await.unwrap();
        line(&answer)
    }

    /// Everything in Redis. A key that expires has `?` after it.
    async fn state(&mut self) -> Value {
        let mut state = Map::new();
        let keys: Vec<String> = self.ask(&["KEYS", "*"]).await;
        for key in keys {
            let kind: String = self.ask(&["TYPE", &key]).await;
            let value = match kind.as_str() {
                "hash" if is_record(&key) => {
                    json!(readable(self.ask(&["HGETALL", &key]).await))
                }
                "hash" => {
                    let all: BTreeMap<String, String> = self.ask(&["HGETALL", &key]).await;
                    let all = all.into_iter();
                    json!(BTreeMap::from_iter(
                        all.map(|(name, value)| (name, timeless(&value)))
                    ))
                }
                "zset" => json!(self.ask::<Vec<String>>(&["ZRANGE", &key, "0", "-1"]).await),
                "list" => json!(self.ask::<Vec<String>>(&["LRANGE", &key, "0", "-1"]).await),
                "set" => json!(self.ask::<BTreeSet<String>>(&["SMEMBERS", &key]).await),
                _ => json!(self.ask::<String>(&["GET", &key]).await),
            };
            let expires = self.ask::<i64>(&["TTL", &key]).await >= 0;
            state.insert(format!("{key}{}", if expires { "?" } else { "" }), value);
        }
        Value::Object(state)
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection).await.unwrap()
    }
}

/// An owner without the second at which its first reservation was made, if that is of now.
fn timeless(owner: &str) -> String {
    let made = owner
        .strip_prefix('?')
        .and_then(|rest| rest.split_once(' '));
    match made.and_then(|(made, rest)| Some((made.split_once(':')?, rest))) {
        Some(((mark, _), rest)) => format!("?{mark} {rest}"),
        None => owner.to_owned(),
    }
}

fn is_record(key: &str) -> bool {
    ["record", "part:", "redis-sync:object:"]
        .iter()
        .any(|name| key.starts_with(name))
}

/// The fields of a record without descriptions. Of the packed list of keys, those are shown.
fn readable(fields: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Value> {
    let packed = KEY_FIELDS.map(|name| fields.get(name).cloned());
    let mut shown: BTreeMap<String, Value> = fields
        .into_iter()
        .filter(|(name, _)| !DESCRIPTIONS.contains(&name.as_str()))
        .map(|(name, value)| (name, json!(String::from_utf8_lossy(&value))))
        .collect();
    if packed.iter().skip(1).any(Option::is_some) {
        shown.retain(|name, _| !KEY_FIELDS.contains(&name.as_str()));
        shown.insert("keys".to_owned(), json!(keys(packed)));
    }
    shown
}

/// `~` stands for a space within a word, `^` for what goes before a key of one letter in a packed list.
fn unescaped(word: &str) -> String {
    word.replace('~', " ").replace('^', "\0\u{1}")
}

fn line(answer: &redis::Value) -> String {
    match answer {
        redis::Value::Array(words) => words.iter().map(line).collect::<Vec<_>>().join(" "),
        redis::Value::Int(number) => number.to_string(),
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Nil => "nil".to_owned(),
        other => format!("{other:?}"),
    }
}

/// An object that is in the bucket.
pub(super) fn object(key: &str, ticket: u64, write: Write) -> Proposal {
    Proposal {
        key: key.to_owned(),
        ticket: Ticket {
            number: ticket,
            record: Record::default(),
        },
        source: Source::Object {
            etag: "e".to_owned(),
            version_id: None,
            last_modified: 1,
            fingerprint: "f".to_owned(),
            basis: "b".to_owned(),
            plugins: Vec::new(),
            author: None,
        },
        write,
        touched: Touched::default(),
    }
}

/// The same, deleted.
fn gone(key: &str, ticket: u64) -> Proposal {
    Proposal {
        source: Source::Gone,
        ..object(key, ticket, Write::Entries(EntrySet::default()))
    }
}

/// The same, with what is recorded of it unchanged: these keys, and that digest.
fn unchanged(key: &str, ticket: u64, keys: &[&str], digest: &str) -> Proposal {
    let mut proposal = object(key, ticket, Write::Unchanged);
    proposal.ticket.record.keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
    proposal.ticket.record.digest = Some(digest.to_owned());
    proposal
}

/// Entries that hold `v`.
pub(super) fn texts(keys: &[&str]) -> Write {
    let entry = |key: &&str| entry(key, EntryValue::Bytes(b"v".to_vec()));
    entries(keys.iter().map(entry).collect())
}

fn entry(key: &str, value: EntryValue) -> Entry {
    Entry {
        key: key.to_owned(),
        value,
        ttl_seconds: None,
    }
}

fn entries(entries: Vec<Entry>) -> Write {
    Write::Entries(EntrySet::new(entries, "", None).unwrap())
}

const OPTIONS: CommitOptions<'static> = CommitOptions {
    adopt: true,
    channel: None,
    tombstone: Duration::from_secs(100),
};

/// A call of a commit script for one server: what is not in `known` is not declared.
fn whole(proposals: &[Proposal], known: &[&str], options: &CommitOptions<'_>) -> Call {
    whole_of("", proposals, known, options)
}

/// The same of a deployment with a prefix.
fn whole_of(
    prefix: &str,
    proposals: &[Proposal],
    known: &[&str],
    options: &CommitOptions<'_>,
) -> Call {
    let names = Names::new("b", prefix, false);
    let request = Request {
        owners: names.owners(None),
        index: Some(names.index("")),
        shares: shares(
            proposals,
            |key| names.record(key),
            |key| Some(names.earlier()?.record(key)),
        ),
        known: known.iter().map(|key| (*key).to_owned()).collect(),
    };
    request.call(&super::call::COMMIT, &names, options, &BTreeMap::new())
}

/// A call of a commit script for one hash slot of a cluster, with short names of the bookkeeping.
fn in_slot(
    script: &'static Script,
    proposals: &[Proposal],
    known: &[&str],
    staged: &BTreeMap<String, Staged>,
) -> Call {
    in_slot_with(script, proposals, known, staged, &OPTIONS)
}

/// The same with these options.
fn in_slot_with(
    script: &'static Script,
    proposals: &[Proposal],
    known: &[&str],
    staged: &BTreeMap<String, Staged>,
    options: &CommitOptions<'_>,
) -> Call {
    let request = Request {
        owners: "owners".to_owned(),
        index: None,
        shares: shares(proposals, |key| format!("part:{key}"), |_| None),
        known: known.iter().map(|key| (*key).to_owned()).collect(),
    };
    request.call(script, &Names::new("b", "", true), options, staged)
}

fn shares(
    proposals: &[Proposal],
    record: impl Fn(&str) -> String,
    earlier: impl Fn(&str) -> Option<String>,
) -> Vec<Share<'_>> {
    let share = |(place, proposal)| Share {
        proposal,
        place,
        record: record(&proposal.key),
        earlier: earlier(&proposal.key),
        keys: proposal.keys().collect(),
        entries: proposal.entries().iter().collect(),
        recorded: proposal
            .recorded_keys()
            .iter()
            .map(String::as_str)
            .collect(),
    };
    proposals.iter().enumerate().map(share).collect()
}

/// Every quoted word of a script that a command takes for a field is one of the schema.
#[test]
fn the_scripts_name_no_field_that_a_record_does_not_have() {
    let scripts = [
        include_str!("../lua/announce.lua"),
        include_str!("../lua/commit_prelude.lua"),
        include_str!("../lua/commit_write.lua"),
        include_str!("../lua/fail.lua"),
        include_str!("../lua/finish.lua"),
        include_str!("../lua/remove_orphans.lua"),
        include_str!("../lua/prelude.lua"),
        include_str!("../lua/ticket.lua"),
    ];
    let mut named = BTreeSet::new();
    let others = ["slots", "v"];
    for line in scripts.iter().flat_map(|script| script.lines()) {
        let Some((_, arguments)) = line.split_once("record, '") else {
            continue;
        };
        named.extend(arguments.split('\'').step_by(2).map(str::to_owned));
    }
    named.remove("");
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        let name = name.as_str();
        let known = FIELDS.contains(&name) || KEY_FIELDS.contains(&name) || others.contains(&name);
        assert!(known, "`{name}` is not a field of a record");
    }
}
