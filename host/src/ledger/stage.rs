//! Values too large to be sent with a commit.
//!
//! They are written to keys of their own first, a chunk a command, between which Redis serves
//! others. The commit only renames them, whatever their size. Redis drops what a worker that died
//! has left behind.
//!
//! So Redis is blocked for the time of a chunk, and for that of the commit, which grows with the
//! number of keys alone. On two cores a value of 100,000 fields took 5 ms at the most, and 50,000
//! keys 0.5 s, about 10 µs a key; [`MAX_KEYS`](crate::entry::MAX_KEYS) bounds that. Readers see what
//! they see of any commit: staged keys are bookkeeping.

use super::connection::Connection;
use super::packed::elements;
use super::proposal::Proposal;
use super::{Ledger, LedgerError};
use crate::entry::Value;
use redis::{Pipeline, RedisResult};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The largest value that is sent with the commit, in elements.
const MAX_ELEMENTS: usize = 1000;

/// The same in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Arguments of a chunk; even, so that no field parts from its value.
const CHUNK_ARGUMENTS: usize = 1000;

/// Bytes of a chunk of a string.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that are sent at a time.
const CHUNKS_AT_ONCE: usize = 8;

/// How long Redis keeps what nobody has come for.
const KEPT: Duration = Duration::from_secs(900);

/// A value that waits in Redis.
pub(super) struct Staged {
    /// The key that holds it.
    pub(super) key: String,
}

impl Ledger {
    /// Writes what is too large, by the key that it is to have.
    pub(super) async fn stage(
        &self,
        proposals: &[Proposal],
    ) -> Result<BTreeMap<String, Staged>, LedgerError> {
        let mut staged = BTreeMap::new();
        let entries = proposals.iter().flat_map(Proposal::entries);
        let large = entries.filter(|entry| is_large(&entry.value));
        for entry in large {
            // A key of its own for every attempt: what an earlier one sent may arrive late.
            let upload = |mut link| async move {
                let key = self.names.stage(&entry.key, unique());
                upload(&mut link, &key, &entry.value).await?;
                Ok(Staged { key })
            };
            staged.insert(entry.key.clone(), self.link.run(upload).await?);
        }
        Ok(staged)
    }
}

pub(super) fn is_large(value: &Value) -> bool {
    value.len() > MAX_ELEMENTS || value.size() > MAX_BYTES
}

fn unique() -> u64 {
    RandomState::new().hash_one(())
}

async fn upload(link: &mut Connection, key: &str, value: &Value) -> RedisResult<()> {
    let elements = elements(value);
    let mut commands = Vec::new();
    if let (Value::Bytes(_), Some(bytes)) = (value, elements.first()) {
        for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            let mut command = redis::cmd("SETRANGE");
            command.arg(key).arg(number * CHUNK_BYTES).arg(chunk);
            commands.push(command);
        }
    }
    for chunk in elements.chunks(CHUNK_ARGUMENTS) {
        let name = match value {
            Value::Bytes(_) => continue,
            Value::Hash(_) => "HSET",
            Value::List(_) => "RPUSH",
            Value::Set(_) => "SADD",
            Value::SortedSet(_) => "ZADD",
        };
        let mut command = redis::cmd(name);
        command.arg(key).arg(chunk);
        commands.push(command);
    }
    for commands in commands.chunks(CHUNKS_AT_ONCE) {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command.clone()).ignore();
        }
        let expire = pipeline.cmd("EXPIRE").arg(key).arg(KEPT.as_secs());
        expire.ignore().query_async::<()>(link).await?;
    }
    Ok(())
}
