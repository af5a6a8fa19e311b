//! The record of an object: what is in it, and what a commit writes to it.
//!
//! How its fields are written is in [`fields`].

pub(super) mod fields;
mod packed_keys;

use crate::event::Author;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is recorded of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The last ticket issued; 0 where there was none.
    pub issued: u64,
    /// Ticket of the last commit; 0 where there was none.
    pub committed: u64,
    /// On a cluster, the last ticket that announced a commit.
    pub announced: u64,
    /// The ticket that its entries were written under: an earlier one than the last commit's, where
    /// that left them as they were.
    pub written: u64,
    /// What decided the result: object, plugins, settings, limits.
    pub fingerprint: Option<String>,
    /// What decided the result besides the object's version, time and metadata.
    pub basis: Option<String>,
    /// Digest of the entries.
    pub digest: Option<String>,
    /// Entity tag of the object; empty where it is gone.
    pub etag: Option<String>,
    /// Version of the object, where the bucket is versioned.
    pub version_id: Option<String>,
    /// When the object was modified, in milliseconds since the Unix epoch.
    pub last_modified: u64,
    /// The plugins, in order; none where the object was stored as it is.
    pub plugins: Vec<PluginUsed>,
    /// When it was committed, in milliseconds since the Unix epoch.
    pub written_at: Option<u64>,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
    /// When that was, in milliseconds since the Unix epoch.
    pub error_at: Option<u64>,
    /// The basis of that attempt, where it came as far as the plugins.
    pub error_basis: Option<String>,
    /// Who has put the object, where its event has told.
    pub author: Option<Author>,
    /// The Redis keys, where they were read as well.
    pub keys: Option<Vec<String>>,
    /// Size of the list of keys as it is recorded, in bytes, where it was looked up.
    pub keys_bytes: usize,
}

/// A plugin that made entries.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct PluginUsed {
    /// Its name under the plugins' prefix.
    pub name: String,
    /// SHA-256 of the module, in hexadecimal.
    pub sha256: String,
}

impl Record {
    /// Whether no ticket is outstanding: the last one issued is the last one committed.
    pub fn is_settled(&self) -> bool {
        self.committed != 0 && self.issued == self.committed
    }

    /// Whether Redis holds what some state of the object yields.
    pub fn is_live(&self) -> bool {
        self.etag.as_ref().is_some_and(|etag| !etag.is_empty())
    }

    /// Whether no commit to a cluster was announced that has not finished.
    pub(super) fn is_whole(&self) -> bool {
        self.announced <= self.committed
    }
}

/// What entries are made from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The object is in the bucket.
    Object {
        /// Its entity tag.
        etag: String,
        /// Its version, where the bucket is versioned.
        version_id: Option<String>,
        /// Milliseconds since the Unix epoch.
        last_modified: u64,
        /// Whatever decided the result.
        fingerprint: String,
        /// What decided the result besides the object's version, time and metadata.
        basis: String,
        /// Names and digests of the plugins, in order.
        plugins: Vec<(String, String)>,
        /// Who has put it, where its event has told.
        author: Option<Author>,
    },
    /// The object is not in the bucket.
    Gone,
}

impl Source {
    /// Notes who has put this state of the object: who is told by entity tag and version, or else who is
    /// recorded of just this state.
    pub fn set_author<'a>(
        &mut self,
        told: impl FnOnce(&str, Option<&str>) -> Option<&'a Author>,
        record: &Record,
    ) {
        let Self::Object {
            etag,
            version_id,
            last_modified,
            author,
            ..
        } = self
        else {
            return;
        };
        let is_recorded = record.etag.as_ref() == Some(etag)
            && record.version_id == *version_id
            && record.last_modified == *last_modified;
        let recorded = || record.author.clone().filter(|_| is_recorded);
        *author = told(etag, version_id.as_deref()).cloned().or_else(recorded);
    }
}

/// What a commit records, besides the keys.
pub(super) struct Commit<'a> {
    /// Digest of the entries.
    pub(super) digest: &'a str,
    pub(super) source: &'a Source,
}

pub(crate) fn milliseconds_now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
