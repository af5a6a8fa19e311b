//! Redis: tickets, commits, records; the only place that speaks to it.
//!
//! The protocol that makes Redis converge: **take a ticket, then read, then commit if no later
//! ticket has committed.** A ticket is a number per object that only grows, handed out by Redis.
//! S3 reads are strongly consistent, so what was read under a later ticket is at least as new.
//! A commit is one script, so a reader sees all of an object's old entries or all of its new ones.
//!
//! Bookkeeping, all under `redis-sync:`:
//!
//! | key | type | what |
//! | --- | --- | --- |
//! | `redis-sync:object:<bucket>/<key>` | hash | the object's record: last ticket issued, last ticket committed, what was committed, its Redis keys, the last error |
//! | `redis-sync:owners` | hash | data key -> its owner: the ticket it was written under, in digits of six bits, a space, `<bucket>/<key>` of the object |
//! | `redis-sync:index:<bucket>` | sorted set | keys of the objects that have a record, in byte order |
//! | `redis-sync:generation:<bucket>` | text | a number that is raised for every change of a plugin; see [`generation`] |
//! | `redis-sync:progress:<bucket>` | hash | full syncs and changed plugins that take more than one invocation; see [`progress`] |
//! | `redis-sync:uploads:<bucket>` | hash | who has uploaded which plugin; see [`uploads`] |
//! | `redis-sync:stage:<number>` | any | a value too large for a commit, until it is renamed; see [`stage`] |
//!
//! With `REDIS_KEY_PREFIX`, `<bucket>@<prefix>` stands wherever `<bucket>` does (`/` and `%` in the
//! prefix as `%2F` and `%25`), and `@<prefix>` follows the number of a staged value: deployments of one
//! bucket with different prefixes share nothing but the table of owners, so that no two of them write one
//! data key. See [`names`].
//!
//! A record is small: fields of 64 bytes at the most, which Redis keeps in one piece of memory. See [`record`].
//!
//! Without a prefix the names are those of all versions before; their records are understood, and rewritten
//! by the next commit.
//!
//! On a cluster a hash tag follows the first colon, and there are 16 indexes, owners for every hash
//! slot, and `redis-sync:{<tag>}:part:<bucket>/<key>`: what an object has in one slot. See [`cluster`].
//!
//! What readers see: on one server, all of an object's old keys or all of its new ones, since a
//! commit is one script (a joint one, where objects swap keys, likewise). On a cluster, the same of
//! the keys of one hash slot; the slots change one after the other, within milliseconds.

mod access;
mod answer;
mod call;
mod chance;
mod client;
mod cluster;
mod commit;
mod connection;
mod error;
mod forget;
mod generation;
mod iam;
mod index;
mod intact;
mod key_state;
mod link;
mod look_up;
mod names;
mod orphans;
mod owner;
mod packed;
mod progress;
mod proposal;
mod read;
mod record;
mod request;
#[cfg(test)]
mod script_tests;
mod server;
mod slot;
mod stage;
mod ticket;
mod uploads;
mod verify;

pub use access::Access;
pub use error::LedgerError;
pub use forget::Forgotten;
pub use generation::Generation;
pub use index::Start;
pub use key_state::{KeyState, Owned};
pub use look_up::{Explanation, PluginTold};
pub use orphans::{OrphanCandidates, Orphans, OwnersScan, ScanPlace};
pub use progress::{ChangeNote, KeptSync, Progress, is_stale};
pub use proposal::{Proposal, TakenBy, Ticket, Touched, Verdict, Write};
pub use read::Reading;
pub(crate) use record::milliseconds_now;
pub use record::{PluginUsed, Record, Source};
pub use server::Server;
pub use ticket::Taken;

use crate::settings::RedisSettings;
use call::Call;
use link::Link;
use names::Names;
use redis::{Cmd, FromRedisValue};
use std::time::Duration;

/// The ledger of one bucket.
pub struct Ledger {
    link: Link,
    /// Whether Redis is a cluster.
    cluster: bool,
    names: Names,
    /// Whether keys that nobody owns are taken over.
    adopt_keys: bool,
    /// Where changed keys are published.
    changes_channel: Option<String>,
    /// How long the record of a deleted object is kept.
    tombstone: Duration,
}

impl Ledger {
    /// Prepares the connection; it is made when it is first needed, so a Redis that is down does
    /// not keep the function from starting.
    pub fn new(settings: &RedisSettings, bucket: &str) -> Result<Self, LedgerError> {
        Ok(Self {
            link: Link::new(settings)?,
            cluster: settings.cluster,
            names: Names::new(bucket, &settings.key_prefix, settings.cluster),
            adopt_keys: settings.adopt_keys,
            changes_channel: settings.changes_channel.clone(),
            tombstone: settings.tombstone,
        })
    }

    /// Calls a script, and again where Redis did not answer.
    async fn call<T: FromRedisValue>(&self, call: &Call) -> Result<T, LedgerError> {
        self.link
            .run(|mut link| async move { call.invoke(&mut link).await })
            .await
    }

    /// The answer of a command that may be carried out twice: where Redis does not answer, it is sent again.
    async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LedgerError> {
        self.link
            .run(|mut link| async move { command.query_async(&mut link).await })
            .await
    }

    /// The answers of such commands, one key each: in one round trip, on a cluster all at a time.
    async fn send_each<T: FromRedisValue>(
        &self,
        commands: Vec<Cmd>,
    ) -> Result<Vec<T>, LedgerError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let commands = &commands;
        self.link
            .run(|mut link| async move { call::query_each(commands, &mut link).await })
            .await
    }
}

#[cfg(test)]
impl Ledger {
    /// The ledger of a bucket `config`, in a server or in the cluster of a node.
    fn in_redis(redis: &redis_sync_local::Redis, is_cluster: bool) -> Self {
        let (port, cluster) = (redis.port().to_string(), is_cluster.to_string());
        let settings = crate::settings::tests::read(&[
            ("CONFIG_BUCKET_NAME", "config"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
            ("REDIS_CLUSTER", &cluster),
        ]);
        Self::new(&settings.unwrap().redis, "config").unwrap()
    }
}
