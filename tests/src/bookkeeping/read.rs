//! Reading the bookkeeping.

use super::{Bookkeeping, Record, space};
use crate::connection::connect;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, cmd};
use redis_sync_local::{BUCKET, Redis, RedisCluster};
use std::collections::BTreeMap;

impl Bookkeeping {
    /// All that a server has, of the deployment with this prefix. What is of others is left behind.
    ///
    /// # Panics
    ///
    /// Where Redis does not answer.
    pub async fn of_server(redis: &Redis, prefix: &str) -> Self {
        let mut all = Self {
            space: space(prefix),
            ..Self::default()
        };
        all.read(redis).await.expect("Redis reads its keys");
        all
    }

    /// All that a cluster has.
    ///
    /// # Panics
    ///
    /// As [`of_server`](Self::of_server).
    pub async fn of_cluster(cluster: &RedisCluster, prefix: &str) -> Self {
        let mut all = Self {
            space: space(prefix),
            slots: Some(BTreeMap::new()),
            ..Self::default()
        };
        for node in cluster.primaries() {
            all.read(node).await.expect("Redis reads its keys");
        }
        all
    }

    /// The same without what belongs to the deployment with another prefix.
    #[must_use]
    pub fn without(mut self, prefix: &str) -> Self {
        let other = space(prefix);
        let is_others = |object: &str| {
            let rest = object.strip_prefix(&other);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.owners.retain(|_, owner| {
            let object = owner.split_once(' ').map_or("", |(_, object)| object);
            !is_others(object)
        });
        self.others.retain(|name| {
            let of = name.rsplit_once(':').map_or("", |(_, of)| of);
            // The prefix of the other may have a colon itself.
            !is_others(of)
                && !name.contains(&format!(":{other}/"))
                && !name.ends_with(&format!(":{other}"))
        });
        self
    }

    /// The same without notes on what is under way, which only a full sync is sure to remove.
    #[must_use]
    pub fn without_notes(mut self) -> Self {
        let space = &self.space;
        self.others
            .retain(|name| split(name, space).0 != "progress");
        self
    }

    /// The same without values that are staged, of which those stay for a while that a worker has left which died, or had no
    /// answer.
    #[must_use]
    pub fn without_staged(mut self) -> Self {
        let (space, expiring) = (&self.space, &self.expiring);
        self.others
            .retain(|name| split(name, space).0 != "stage" || !expiring.contains(name));
        self
    }

    async fn read(&mut self, redis: &Redis) -> RedisResult<()> {
        let mut link = connect(redis).await;
        for name in names(&mut link).await? {
            let slot = self.slot(&mut link, &name).await?;
            match split(&name, &self.space) {
                ("owners", "") => {
                    let owners: BTreeMap<String, String> = ask(&mut link, "HGETALL", &name).await?;
                    self.add_owners(&mut link, &name, slot, owners).await?;
                }
                ("index", of) if of == self.space => {
                    let command = cmd("ZRANGE").arg(&name).arg(0).arg(-1).to_owned();
                    let objects: Vec<String> = command.query_async(&mut link).await?;
                    let objects = objects.into_iter().map(|object| (object, slot));
                    self.indexed.extend(objects);
                }
                // It means nothing to the state of any object.
                ("generation", BUCKET) => {}
                ("object", object) => {
                    let record = record(&mut link, &name, slot).await?;
                    self.records.insert(object.to_owned(), record);
                }
                ("part", object) => {
                    let part = record(&mut link, &name, slot).await?;
                    for key in part.keys() {
                        self.slot(&mut link, &key).await?;
                    }
                    self.parts.insert((object.to_owned(), slot), part);
                }
                _ => {
                    if ask::<i64>(&mut link, "TTL", &name).await? >= 0 {
                        self.expiring.insert(name.clone());
                    }
                    self.others.insert(name);
                }
            }
        }
        Ok(())
    }

    async fn add_owners(
        &mut self,
        link: &mut MultiplexedConnection,
        name: &str,
        slot: u64,
        owners: BTreeMap<String, String>,
    ) -> RedisResult<()> {
        for (key, owner) in owners {
            if self.slot(link, &key).await? != slot {
                let why = format!("`{name}` has the owner of `{key}`, which is of another slot");
                self.misplaced.push(why);
            }
            self.owners.insert(key, owner);
        }
        Ok(())
    }

    /// The hash slot of a key, which is remembered; 0 on one server.
    async fn slot(&mut self, link: &mut MultiplexedConnection, key: &str) -> RedisResult<u64> {
        let Some(slots) = &mut self.slots else {
            return Ok(0);
        };
        if let Some(slot) = slots.get(key) {
            return Ok(*slot);
        }
        let command = cmd("CLUSTER").arg("KEYSLOT").arg(key).to_owned();
        let slot = command.query_async(link).await?;
        slots.insert(key.to_owned(), slot);
        Ok(slot)
    }
}

/// The kind of bookkeeping that a key is by its name, and what of: an object's key, without the
/// bucket, where there is one.
pub(super) fn split<'a>(name: &'a str, space: &str) -> (&'a str, &'a str) {
    let rest = name.strip_prefix("redis-sync:").unwrap_or_default();
    let tagged = rest
        .strip_prefix('{')
        .and_then(|rest| rest.split_once("}:"));
    let rest = tagged.map_or(rest, |(_, rest)| rest);
    let (kind, of) = rest.split_once(':').unwrap_or((rest, ""));
    let object = of.strip_prefix(space).and_then(|of| of.strip_prefix('/'));
    match object {
        Some(object) => (kind, object),
        // Of another deployment.
        None if ["object", "part"].contains(&kind) => ("", of),
        None => (kind, of),
    }
}

pub(super) async fn record(
    link: &mut MultiplexedConnection,
    name: &str,
    slot: u64,
) -> RedisResult<Record> {
    let left: i64 = ask(link, "TTL", name).await?;
    Ok(Record {
        fields: ask(link, "HGETALL", name).await?,
        expires: left >= 0,
        slot,
    })
}

/// The names of all bookkeeping.
pub(super) async fn names(link: &mut MultiplexedConnection) -> RedisResult<Vec<String>> {
    ask(link, "KEYS", "redis-sync:*").await
}

pub(super) async fn ask<T: FromRedisValue>(
    link: &mut MultiplexedConnection,
    command: &str,
    key: &str,
) -> RedisResult<T> {
    cmd(command).arg(key).query_async(link).await
}
