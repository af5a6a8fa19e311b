//! Reading a Redis key's value, if it is not too large to be handed on.

use super::connection::Connection;
use super::{Ledger, LedgerError};
use crate::entry::Value;
use redis::{RedisResult, cmd};

/// What Redis takes for an element at the most beside its content, in bytes: a member of a sorted set
/// has a place in a table and one in a skip list.
const ELEMENT_BYTES: u64 = 130;

/// What was found under a Redis key.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Nothing.
    Nothing,
    /// Its value.
    Value(Value),
    /// Something that no entry can be: a type of its own, or a hash whose fields are no text.
    Other,
    /// More than was asked for: about so many bytes of content.
    TooLarge(u64),
}

impl Ledger {
    /// The value of a Redis key as it is named in Redis, if its content has no more than about `limit`
    /// bytes: that is found out before it is read.
    pub async fn read(&self, key: &str, limit: u64) -> Result<Reading, LedgerError> {
        self.link
            .run(|mut link| async move {
                let kind: String = cmd("TYPE").arg(key).query_async(&mut link).await?;
                let size = size(&mut link, key, &kind, limit).await?;
                if size > limit {
                    return Ok(Reading::TooLarge(size));
                }
                read(&mut link, key, &kind).await
            })
            .await
    }
}

/// The size of the content in bytes, or less, as far as it takes to know whether that is over `limit`:
/// exactly for a string, otherwise by the number of elements, of which each is three bytes in a document
/// at least, and by what all of them take in Redis.
async fn size(link: &mut Connection, key: &str, kind: &str, limit: u64) -> RedisResult<u64> {
    let length = match kind {
        "string" => return cmd("STRLEN").arg(key).query_async(link).await,
        "hash" => "HLEN",
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        _ => return Ok(0),
    };
    let elements: u64 = cmd(length).arg(key).query_async(link).await?;
    let by_number = elements.saturating_mul(3);
    if by_number > limit {
        return Ok(by_number);
    }
    let mut usage = cmd("MEMORY");
    usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
    // Who may not ask is not told.
    let usage: Option<u64> = usage.query_async(link).await.unwrap_or_default();
    let beside_elements = usage
        .unwrap_or_default()
        .saturating_sub(elements.saturating_mul(ELEMENT_BYTES));
    // Allocations are rounded up, to twice their content at the most.
    Ok(by_number.max(beside_elements / 2))
}

async fn read(link: &mut Connection, key: &str, kind: &str) -> RedisResult<Reading> {
    Ok(Reading::Value(match kind {
        "none" => return Ok(Reading::Nothing),
        "string" => match cmd("GET").arg(key).query_async(link).await? {
            Some(bytes) => Value::Bytes(bytes),
            None => return Ok(Reading::Nothing),
        },
        "hash" => {
            let fields: Vec<(Vec<u8>, Vec<u8>)> = cmd("HGETALL").arg(key).query_async(link).await?;
            let fields = fields
                .into_iter()
                .map(|(field, value)| Some((String::from_utf8(field).ok()?, value)));
            match fields.collect() {
                Some(fields) => Value::Hash(fields),
                None => return Ok(Reading::Other),
            }
        }
        "list" => Value::List(
            cmd("LRANGE")
                .arg(key)
                .arg(0)
                .arg(-1)
                .query_async(link)
                .await?,
        ),
        "set" => Value::Set(cmd("SMEMBERS").arg(key).query_async(link).await?),
        "zset" => Value::SortedSet(
            cmd("ZRANGE")
                .arg(key)
                .arg(0)
                .arg(-1)
                .arg("WITHSCORES")
                .query_async(link)
                .await?,
        ),
        _ => return Ok(Reading::Other),
    }))
}
