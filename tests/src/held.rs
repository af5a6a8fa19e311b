//! What Redis holds.

use crate::connection::connect;
use redis::aio::MultiplexedConnection;
use redis_sync_local::{Redis, RedisCluster};
use serde_json::{Value, json};

/// Every key that is not bookkeeping, with its value: text as text, a hash as an object, a list as
/// an array, a set as `{"set": [sorted]}`, a sorted set as `{"scores": {member: score}}`.
///
/// # Panics
///
/// Where Redis does not answer.
pub async fn held(redis: &Redis) -> Value {
    Value::Object(entries(redis).await)
}

/// The same of all primaries of a cluster.
///
/// # Panics
///
/// As [`held`].
pub async fn held_by_cluster(cluster: &RedisCluster) -> Value {
    let mut held = serde_json::Map::new();
    for node in cluster.servers() {
        let role = node.command(&["ROLE"]).await;
        if !role.is_ok_and(|role| role.starts_with("slave")) {
            held.extend(entries(node).await);
        }
    }
    Value::Object(held)
}

async fn entries(redis: &Redis) -> serde_json::Map<String, Value> {
    let mut link = connect(redis).await;
    let mut keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut link)
        .await
        .expect("Redis lists its keys");
    keys.retain(|key| !key.starts_with("redis-sync:"));
    let mut held = serde_json::Map::new();
    for key in keys {
        let value = value(&mut link, &key).await.expect("Redis reads its key");
        held.insert(key, value);
    }
    held
}

async fn value(link: &mut MultiplexedConnection, key: &str) -> redis::RedisResult<Value> {
    let kind: String = redis::cmd("TYPE").arg(key).query_async(link).await?;
    Ok(match kind.as_str() {
        "hash" => {
            let fields: std::collections::BTreeMap<String, String> =
                redis::cmd("HGETALL").arg(key).query_async(link).await?;
            json!(fields)
        }
        "list" => json!(
            redis::cmd("LRANGE")
                .arg(key)
                .arg(0)
                .arg(-1)
                .query_async::<Vec<String>>(link)
                .await?
        ),
        "set" => {
            let members: std::collections::BTreeSet<String> =
                redis::cmd("SMEMBERS").arg(key).query_async(link).await?;
            json!({"set": members})
        }
        "zset" => {
            let members: std::collections::BTreeMap<String, f64> = redis::cmd("ZRANGE")
                .arg(key)
                .arg(0)
                .arg(-1)
                .arg("WITHSCORES")
                .query_async(link)
                .await?;
            json!({"scores": members})
        }
        _ => {
            let bytes: Vec<u8> = redis::cmd("GET").arg(key).query_async(link).await?;
            json!(String::from_utf8_lossy(&bytes))
        }
    })
}
