//! Reading a Redis key's value.

use super::{Ledger, LedgerError};
use crate::entry::Value;
use redis::{RedisResult, cmd};

impl Ledger {
    /// The value of a Redis key as it is named in Redis; `None` where there is none, or of a type
    /// that no entry has.
    pub async fn read(&self, key: &str) -> Result<Option<Value>, LedgerError> {
        self.link
            .run(|mut link| async move { read(&mut link, key).await })
            .await
    }
}

async fn read(link: &mut super::connection::Connection, key: &str) -> RedisResult<Option<Value>> {
    let kind: String = cmd("TYPE").arg(key).query_async(link).await?;
    Ok(Some(match kind.as_str() {
        "string" => match cmd("GET").arg(key).query_async(link).await? {
            Some(bytes) => Value::Bytes(bytes),
            None => return Ok(None),
        },
        "hash" => Value::Hash(cmd("HGETALL").arg(key).query_async(link).await?),
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
        _ => return Ok(None),
    }))
}
