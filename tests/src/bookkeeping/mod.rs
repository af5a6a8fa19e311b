//! What Redis Sync keeps in Redis for itself, read by the names of its keys and fields alone, and
//! compared with what the bucket means.
//!
//! On one server, for the bucket `config`:
//!
//! - `redis-sync:owners`: a hash; of each Redis key `<mark> config/<object>`, who wrote it under which ticket;
//! - `redis-sync:object:config/<object>`: a hash, the object's record;
//! - `redis-sync:index:config`: a sorted set of the objects that are in the bucket;
//! - `redis-sync:generation:config`: a number that is raised for every change of a plugin;
//! - `redis-sync:progress:config`: what takes more than one invocation; nothing is left of it when a full sync has ended;
//! - `redis-sync:stage:<number>`: a large value that waits for its commit.
//!
//! Where data keys have a prefix, `config@<prefix>` stands for `config`.
//!
//! On a cluster each name has a hash tag after `redis-sync:`; there are 16 indexes, owners for each
//! hash slot, and `redis-sync:{tag}:part:config/<object>`, the record of what an object has in a slot.

mod compare;
mod earlier;
mod read;
mod record;

pub use earlier::make_earlier;

use redis_sync_local::{BUCKET, S3};
use std::collections::{BTreeMap, BTreeSet};

/// All bookkeeping of the bucket [`BUCKET`], of the deployment with one prefix.
#[derive(Debug, Default)]
pub struct Bookkeeping {
    /// The bucket, with `@` and the prefix where there is one.
    space: String,
    /// The records, by object.
    records: BTreeMap<String, Record>,
    /// On a cluster: what is recorded of an object in a hash slot.
    parts: BTreeMap<(String, u64), Record>,
    /// The objects that are listed in an index, with the hash slot of that.
    indexed: BTreeMap<String, u64>,
    /// What is noted of each Redis key: `<mark> <bucket>/<object>`, the mark being a ticket in digits of six bits.
    owners: BTreeMap<String, String>,
    /// The names of all other keys.
    others: BTreeSet<String>,
    /// Those of them that Redis drops some day.
    expiring: BTreeSet<String>,
    /// Hash slots, of Redis keys and of the names of bookkeeping; none on one server.
    slots: Option<BTreeMap<String, u64>>,
    /// What lies in another hash slot than the script that looks for it.
    misplaced: Vec<String>,
}

/// A record, or a part of it on a cluster.
#[derive(Debug, Default)]
struct Record {
    /// All its fields.
    fields: BTreeMap<String, Vec<u8>>,
    /// Whether Redis drops it some day.
    expires: bool,
    /// The hash slot of its name; 0 on one server.
    slot: u64,
}

/// What the bucket means: its objects, and what each yields.
#[derive(Debug, Default)]
pub struct Meaning(BTreeMap<String, Yields>);

/// What an object of the bucket yields.
#[derive(Debug)]
struct Yields {
    /// The object's entity tag.
    etag: String,
    /// Its Redis keys.
    keys: BTreeSet<String>,
}

impl Meaning {
    /// The meaning of a bucket whose objects yield these Redis keys.
    ///
    /// # Panics
    ///
    /// Where those are not the objects of the bucket, leaving plugins aside.
    pub fn of<'a>(s3: &S3, objects: impl IntoIterator<Item = (&'a str, BTreeSet<String>)>) -> Self {
        let yields = |(key, keys): (&str, _)| {
            let object = s3.get(key).unwrap_or_else(|| panic!("there is no `{key}`"));
            let etag = object.etag;
            (key.to_owned(), Yields { etag, keys })
        };
        let meaning = Self(objects.into_iter().map(yields).collect());
        let is_known = |key: &String| key.starts_with("plugins/") || meaning.0.contains_key(key);
        let unknown: Vec<String> = s3.keys().into_iter().filter(|key| !is_known(key)).collect();
        assert!(unknown.is_empty(), "what do {unknown:?} yield?");
        meaning
    }
}

/// The bucket, with the prefix where there is one.
fn space(prefix: &str) -> String {
    match prefix {
        "" => BUCKET.to_owned(),
        prefix => format!("{BUCKET}@{prefix}"),
    }
}
