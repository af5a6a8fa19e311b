//! What a Redis server holds at a moment, and bringing it back: what a replica has that a failover
//! makes the primary, without what had not reached it.

use crate::connection::connect;
use redis::{RedisResult, cmd};
use redis_sync_local::Redis;

/// All keys of a server.
pub struct Snapshot(Vec<Key>);

/// A key: its name, its value as `DUMP` gives it, and when it expires, in milliseconds since the Unix
/// epoch; -1 where it does not.
type Key = (Vec<u8>, Vec<u8>, i64);

impl Snapshot {
    /// Takes one. Nobody may be writing.
    ///
    /// # Panics
    ///
    /// Where Redis does not answer.
    pub async fn of(redis: &Redis) -> Self {
        Self(read(redis).await.expect("Redis hands out its keys"))
    }

    /// Makes the server hold what it held.
    ///
    /// # Panics
    ///
    /// Where Redis does not take it.
    pub async fn restore(&self, redis: &Redis) {
        write(redis, &self.0).await.expect("Redis takes the keys");
    }
}

async fn read(redis: &Redis) -> RedisResult<Vec<Key>> {
    let mut link = connect(redis).await;
    let names: Vec<Vec<u8>> = cmd("KEYS").arg("*").query_async(&mut link).await?;
    let mut keys = Vec::new();
    for name in names {
        let (value, expires): (Option<Vec<u8>>, i64) = redis::pipe()
            .add_command(cmd("DUMP").arg(&name).clone())
            .add_command(cmd("PEXPIRETIME").arg(&name).clone())
            .query_async(&mut link)
            .await?;
        keys.extend(value.map(|value| (name, value, expires)));
    }
    Ok(keys)
}

async fn write(redis: &Redis, keys: &[Key]) -> RedisResult<()> {
    let mut link = connect(redis).await;
    let mut all = redis::pipe();
    all.cmd("FLUSHALL").ignore();
    for (name, value, expires) in keys {
        let time = (*expires).max(0);
        let restore = all.cmd("RESTORE").arg(name).arg(time).arg(value);
        restore.arg("ABSTTL").ignore();
    }
    all.query_async(&mut link).await
}
