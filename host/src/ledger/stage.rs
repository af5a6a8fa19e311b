//! Values too large to be sent with a commit.
//!
//! They are written to keys of their own first, a chunk a call, between which Redis serves others. The
//! commit only renames them, whatever their size. What a worker that died has left behind Redis drops by itself:
//! no chunk is there without an expiry.
//!
//! Until they are renamed they may be evicted, which begins with what expires; a replica may take over that had
//! not got all of them; and a client of a cluster sends a chunk again whose answer was lost. So each chunk is
//! added where the value is as long as the one before has left it, and a commit looks whether it is as long as the
//! last one did.
//!
//! Nothing is staged in vain: the commit is asked first whether anything is in its way, with the names
//! of keys that are not there, and what was staged for a commit that is refused after all is removed.
//!
//! So Redis is blocked for the time of a chunk, and for that of the commit, which grows with the
//! number of keys alone. On two cores a value of 100,000 fields took 5 ms at the most, and 50,000
//! keys 0.2 to 0.5 s, 3 to 10 µs a key; [`MAX_KEYS`](crate::entry::MAX_KEYS) bounds that. Readers see what
//! they see of any commit: staged keys are bookkeeping.

use super::call::{Call, STAGE};
use super::chance::by_chance;
use super::connection::Connection;
use super::link::is_doubtful;
use super::packed::{is_large, score_text};
use super::proposal::Proposal;
use super::{Ledger, LedgerError};
use crate::entry::{Entry, Value};
use crate::text::clip;
use redis::RedisResult;
use std::collections::BTreeMap;
use std::time::Duration;

/// Elements of a chunk, unless they are too large for that.
const CHUNK_ELEMENTS: usize = 500;

/// Bytes of a chunk, or of the one element that is larger.
const CHUNK_BYTES: usize = 256 * 1024;

/// How often a value is staged anew of which Redis has lost some.
const ATTEMPTS: u32 = 3;

/// How long Redis keeps what nobody has come for.
const KEPT: Duration = Duration::from_secs(900);

/// A value that waits in Redis, or is to.
pub(super) struct Staged {
    /// The key that holds it.
    pub(super) key: String,
    /// How many elements it has there, or bytes of a text.
    pub(super) length: usize,
}

/// Staged values, by the keys that they are to have.
pub(super) type AllStaged = BTreeMap<String, Staged>;

impl Ledger {
    /// Names of keys for what is too large, which nobody uses: a commit that is called with them
    /// answers whether anything else is in its way.
    pub(super) fn names_to_stage(&self, proposals: &[Proposal]) -> AllStaged {
        let named = |entry: &Entry| {
            let key = self.names.stage(&entry.key, by_chance());
            let length = entry.value.len();
            (entry.key.clone(), Staged { key, length })
        };
        large(proposals).map(named).collect()
    }

    /// Writes what is too large.
    pub(super) async fn stage(&self, proposals: &[Proposal]) -> Result<AllStaged, LedgerError> {
        let mut staged = BTreeMap::new();
        for entry in large(proposals) {
            match self.stage_one(entry).await {
                Ok(value) => staged.insert(entry.key.clone(), value),
                Err(error) => {
                    self.unstage_after(&error, staged).await;
                    return Err(error);
                }
            };
        }
        Ok(staged)
    }

    async fn stage_one(&self, entry: &Entry) -> Result<Staged, LedgerError> {
        // A key of its own for every attempt: what an earlier one sent may arrive late.
        let upload = |mut link| async move {
            let key = self.names.stage(&entry.key, by_chance());
            let uploaded = upload(&mut link, &key, &entry.value).await;
            let is_left = match &uploaded {
                Ok(length) => length.is_none(),
                Err(error) => !is_doubtful(error),
            };
            if is_left {
                // Where that fails too, Redis drops it in time.
                let _ = redis::cmd("UNLINK").arg(&key).exec_async(&mut link).await;
            }
            uploaded.map(|length| length.map(|length| Staged { key, length }))
        };
        for _ in 0..ATTEMPTS {
            if let Some(staged) = self.link.run(upload).await? {
                return Ok(staged);
            }
        }
        Err(self.link.refused(format!(
            "of the value of `{}` Redis loses what was just written: it evicts, or fails over",
            clip(&entry.key)
        )))
    }

    /// Removes what was staged for nothing. Where that fails, Redis drops it in time.
    pub(super) async fn unstage(&self, staged: AllStaged) {
        for Staged { key, .. } in staged.into_values() {
            let removed: Result<u64, _> = self.send(redis::cmd("UNLINK").arg(key)).await;
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

/// Writes a value, a chunk after the other, and says how long it is then; nothing where Redis has lost some of it
/// meanwhile.
async fn upload(link: &mut Connection, key: &str, value: &Value) -> RedisResult<Option<usize>> {
    let mut length = 0;
    for chunk in chunks(value) {
        let call = Call::new(&STAGE)
            .key(key)
            .argument(chunk.command)
            .argument(length.to_string())
            .argument(chunk.size.to_string())
            .argument(KEPT.as_secs().to_string())
            .arguments(chunk.arguments);
        let now: i64 = call.invoke(link).await?;
        match usize::try_from(now) {
            Ok(now) => length = now,
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(length))
}

/// A part of a value.
struct Chunk {
    /// The command that adds it.
    command: &'static str,
    /// How many elements it has, or bytes of a text.
    size: usize,
    /// What the command takes after the key.
    arguments: Vec<Vec<u8>>,
}

/// A value in parts; made one at a time, so that no more of them are there than are on their way.
fn chunks(value: &Value) -> Box<dyn Iterator<Item = Chunk> + Send + '_> {
    match value {
        Value::Bytes(bytes) => {
            let chunks = bytes.chunks(CHUNK_BYTES).enumerate();
            Box::new(chunks.map(|(number, chunk)| Chunk {
                command: "SETRANGE",
                size: chunk.len(),
                arguments: vec![
                    (number * CHUNK_BYTES).to_string().into_bytes(),
                    chunk.to_vec(),
                ],
            }))
        }
        Value::Hash(fields) => in_chunks("HSET", fields, |(field, value)| {
            vec![field.as_bytes().to_vec(), value.clone()]
        }),
        Value::List(items) => in_chunks("RPUSH", items, |item| vec![item.clone()]),
        Value::Set(items) => in_chunks("SADD", items, |item| vec![item.clone()]),
        Value::SortedSet(members) => in_chunks("ZADD", members, |(member, score)| {
            vec![score_text(*score).into_bytes(), member.clone()]
        }),
    }
}

fn in_chunks<'a, T: Sync>(
    command: &'static str,
    items: &'a [T],
    arguments_of: fn(&T) -> Vec<Vec<u8>>,
) -> Box<dyn Iterator<Item = Chunk> + Send + 'a> {
    let mut items = items.iter().peekable();
    Box::new(std::iter::from_fn(move || {
        items.peek()?;
        let (mut arguments, mut size, mut bytes) = (Vec::new(), 0, 0);
        while size < CHUNK_ELEMENTS
            && bytes < CHUNK_BYTES
            && let Some(item) = items.next()
        {
            let of_item = arguments_of(item);
            bytes += of_item.iter().map(Vec::len).sum::<usize>();
            arguments.extend(of_item);
            size += 1;
        }
        Some(Chunk {
            command,
            size,
            arguments,
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many elements and arguments each chunk has, and how many bytes these have.
    fn sizes(value: &Value) -> Vec<(usize, usize, usize)> {
        let counted = |chunk: Chunk| {
            let bytes = chunk.arguments.iter().map(Vec::len).sum();
            (chunk.size, chunk.arguments.len(), bytes)
        };
        chunks(value).map(counted).collect()
    }

    #[test]
    fn a_chunk_has_so_many_elements_or_so_many_bytes() {
        let small = Value::List(vec![b"x".to_vec(); 1201]);
        assert_eq!(
            sizes(&small),
            [(500, 500, 500), (500, 500, 500), (201, 201, 201)]
        );
        let large = Value::Hash(vec![("f".into(), vec![0; 200_000]); 5]);
        assert_eq!(
            sizes(&large),
            [(2, 4, 400_002), (2, 4, 400_002), (1, 2, 200_001)]
        );
        let one = Value::Set(vec![vec![0; 3 << 20], b"x".to_vec()]);
        assert_eq!(sizes(&one), [(1, 1, 3 << 20), (1, 1, 1)]);
        let bytes = Value::Bytes(vec![0; CHUNK_BYTES + 1]);
        // With the place of each.
        assert_eq!(
            sizes(&bytes),
            [(CHUNK_BYTES, 2, CHUNK_BYTES + 1), (1, 2, 7)]
        );
    }
}
