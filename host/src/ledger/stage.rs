//! Values too large to be sent with a commit.
//!
//! They are written to keys of their own first, a chunk a command, between which Redis serves
//! others. The commit only renames them, whatever their size. What a worker that died has left behind
//! Redis drops by itself: the first chunk and its expiry are one transaction.
//!
//! Nothing is staged in vain: the commit is asked first whether anything is in its way, with the names
//! of keys that are not there, and what was staged for a commit that is refused after all is removed.
//!
//! So Redis is blocked for the time of a chunk, and for that of the commit, which grows with the
//! number of keys alone. On two cores a value of 100,000 fields took 5 ms at the most, and 50,000
//! keys 0.2 to 0.5 s, 3 to 10 µs a key; [`MAX_KEYS`](crate::entry::MAX_KEYS) bounds that. Readers see what
//! they see of any commit: staged keys are bookkeeping.

use super::connection::Connection;
use super::link::is_doubtful;
use super::packed::{is_large, score_text};
use super::proposal::Proposal;
use super::{Ledger, LedgerError};
use crate::entry::{Entry, Value};
use redis::{Cmd, Pipeline, RedisResult};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Elements of a chunk, unless they are too large for that.
const CHUNK_ELEMENTS: usize = 500;

/// Bytes of a chunk, or of the one element that is larger.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of the chunks that are sent at a time, or a little more.
const SENT_BYTES: usize = 2 * 1024 * 1024;

/// How long Redis keeps what nobody has come for.
const KEPT: Duration = Duration::from_secs(900);

/// A value that waits in Redis, or is to.
pub(super) struct Staged {
    /// The key that holds it.
    pub(super) key: String,
}

/// Staged values, by the keys that they are to have.
pub(super) type AllStaged = BTreeMap<String, Staged>;

impl Ledger {
    /// Names of keys for what is too large, which nobody uses: a commit that is called with them
    /// answers whether anything else is in its way.
    pub(super) fn names_to_stage(&self, proposals: &[Proposal]) -> AllStaged {
        let named = |entry: &Entry| {
            let key = self.names.stage(&entry.key, unique());
            (entry.key.clone(), Staged { key })
        };
        large(proposals).map(named).collect()
    }

    /// Writes what is too large.
    pub(super) async fn stage(&self, proposals: &[Proposal]) -> Result<AllStaged, LedgerError> {
        let mut staged = BTreeMap::new();
        for entry in large(proposals) {
            // A key of its own for every attempt: what an earlier one sent may arrive late.
            let upload = |mut link| async move {
                let key = self.names.stage(&entry.key, unique());
                let uploaded = upload(&mut link, &key, &entry.value).await;
                if let Err(error) = &uploaded
                    && !is_doubtful(error)
                {
                    // Where that fails too, Redis drops it in time.
                    let _ = redis::cmd("UNLINK").arg(&key).exec_async(&mut link).await;
                }
                uploaded.map(|()| Staged { key })
            };
            match self.link.run(upload).await {
                Ok(value) => staged.insert(entry.key.clone(), value),
                Err(error) => {
                    self.unstage_after(&error, staged).await;
                    return Err(error);
                }
            };
        }
        Ok(staged)
    }

    /// Removes what was staged for nothing. Where that fails, Redis drops it in time.
    pub(super) async fn unstage(&self, staged: AllStaged) {
        for Staged { key } in staged.into_values() {
            let removed: Result<u64, _> = self.ask(redis::cmd("UNLINK").arg(key)).await;
            if let Err(error) = removed {
                tracing::debug!(error = %error, "staged values are left to their expiry");
                return;
            }
        }
    }

    /// The same where that was for an error. A Redis that does not answer is not asked for that as well,
    /// value by value and with as much patience each: it drops them in time.
    pub(super) async fn unstage_after(&self, error: &LedgerError, staged: AllStaged) {
        if !matches!(error, LedgerError::Unavailable { .. }) {
            self.unstage(staged).await;
        }
    }
}

fn large(proposals: &[Proposal]) -> impl Iterator<Item = &Entry> {
    let entries = proposals.iter().flat_map(Proposal::entries);
    entries.filter(|entry| is_large(&entry.value))
}

fn unique() -> u64 {
    RandomState::new().hash_one(())
}

async fn upload(link: &mut Connection, key: &str, value: &Value) -> RedisResult<()> {
    let mut chunks = chunks(key, value);
    // No key is there without an expiry, not for a moment.
    let mut first = Pipeline::new();
    first.atomic();
    if let Some((command, _)) = chunks.next() {
        first.add_command(command).ignore();
    }
    expire(&mut first, key).query_async::<()>(link).await?;
    let mut chunks = chunks.peekable();
    while chunks.peek().is_some() {
        let (mut pipeline, mut bytes) = (Pipeline::new(), 0);
        while bytes < SENT_BYTES
            && let Some((command, size)) = chunks.next()
        {
            pipeline.add_command(command).ignore();
            bytes += size;
        }
        expire(&mut pipeline, key).query_async::<()>(link).await?;
    }
    Ok(())
}

fn expire<'a>(pipeline: &'a mut Pipeline, key: &str) -> &'a mut Pipeline {
    pipeline.cmd("EXPIRE").arg(key).arg(KEPT.as_secs()).ignore()
}

/// The commands that write a value, each with the bytes that it carries; made one at a time, so that no
/// more of them are there than are on their way.
fn chunks<'a>(
    key: &'a str,
    value: &'a Value,
) -> Box<dyn Iterator<Item = (Cmd, usize)> + Send + 'a> {
    match value {
        Value::Bytes(bytes) => {
            let chunks = bytes.chunks(CHUNK_BYTES).enumerate();
            Box::new(chunks.map(move |(number, chunk)| {
                let mut command = redis::cmd("SETRANGE");
                command.arg(key).arg(number * CHUNK_BYTES).arg(chunk);
                (command, chunk.len())
            }))
        }
        Value::Hash(fields) => in_chunks("HSET", key, fields, |command, (field, value)| {
            command.arg(field).arg(value);
            field.len() + value.len()
        }),
        Value::List(items) => in_chunks("RPUSH", key, items, one),
        Value::Set(items) => in_chunks("SADD", key, items, one),
        Value::SortedSet(members) => in_chunks("ZADD", key, members, |command, (member, score)| {
            command.arg(score_text(*score)).arg(member);
            member.len()
        }),
    }
}

fn one(command: &mut Cmd, item: &Vec<u8>) -> usize {
    command.arg(item);
    item.len()
}

fn in_chunks<'a, T: Sync>(
    name: &'static str,
    key: &'a str,
    items: &'a [T],
    add: fn(&mut Cmd, &T) -> usize,
) -> Box<dyn Iterator<Item = (Cmd, usize)> + Send + 'a> {
    let mut items = items.iter().peekable();
    Box::new(std::iter::from_fn(move || {
        items.peek()?;
        let (mut command, mut number, mut bytes) = (redis::cmd(name), 0, 0);
        command.arg(key);
        while number < CHUNK_ELEMENTS
            && bytes < CHUNK_BYTES
            && let Some(item) = items.next()
        {
            bytes += add(&mut command, item);
            number += 1;
        }
        Some((command, bytes))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(value: &Value) -> Vec<(usize, usize)> {
        let counted = |(command, bytes): (Cmd, usize)| (command.args_iter().count(), bytes);
        chunks("k", value).map(counted).collect()
    }

    #[test]
    fn a_chunk_has_so_many_elements_or_so_many_bytes() {
        let small = Value::List(vec![b"x".to_vec(); 1201]);
        assert_eq!(sizes(&small), [(502, 500), (502, 500), (203, 201)]);
        let large = Value::Hash(vec![("f".into(), vec![0; 200_000]); 5]);
        assert_eq!(sizes(&large), [(6, 400_002), (6, 400_002), (4, 200_001)]);
        let one = Value::Set(vec![vec![0; 3 << 20], b"x".to_vec()]);
        assert_eq!(sizes(&one), [(3, 3 << 20), (3, 1)]);
        let bytes = Value::Bytes(vec![0; CHUNK_BYTES + 1]);
        assert_eq!(sizes(&bytes), [(4, CHUNK_BYTES), (4, 1)]);
    }
}
