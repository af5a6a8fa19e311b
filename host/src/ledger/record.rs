//! The record of an object: its fields, how they are written and how they are read.

use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// The fields of a record's hash that are read together, in this order.
pub(super) const FIELDS: [&str; 16] = [
    "issued",
    "ticket",
    "announced",
    "written",
    "slots",
    "fingerprint",
    "basis",
    "digest",
    "etag",
    "version_id",
    "last_modified",
    "plugins",
    "written_at",
    "error",
    "error_at",
    "error_basis",
];

/// The field that lists the Redis keys. It is read apart, since it may be long.
pub(super) const KEYS: &str = "keys";

/// The values of [`FIELDS`], as Redis has them.
pub(super) type Fields = [Option<String>; FIELDS.len()];

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
    /// Reads a record. Where a commit to a cluster was announced and has not finished, Redis may hold
    /// some of the old entries and some of the new ones: then nothing says what it holds.
    pub(super) fn decode(fields: Fields, keys: Option<&str>) -> Self {
        let [
            issued,
            ticket,
            announced,
            written,
            _slots,
            fingerprint,
            basis,
            digest,
            etag,
            version_id,
            last_modified,
            plugins,
            written_at,
            error,
            error_at,
            error_basis,
        ] = fields;
        let record = Self {
            issued: number(issued),
            committed: number(ticket),
            announced: number(announced),
            written: number(written),
            fingerprint,
            basis,
            digest,
            etag,
            version_id: version_id.filter(|version| !version.is_empty()),
            last_modified: number(last_modified),
            plugins: plugins
                .and_then(|plugins| serde_json::from_str(&plugins).ok())
                .unwrap_or_default(),
            written_at: written_at.and_then(|time| time.parse().ok()),
            error,
            error_at: error_at.and_then(|time| time.parse().ok()),
            error_basis: error_basis.filter(|basis| !basis.is_empty()),
            keys: keys.map(list),
            keys_bytes: 0,
        };
        if record.is_whole() {
            record
        } else {
            Self {
                fingerprint: None,
                basis: None,
                digest: None,
                keys: None,
                ..record
            }
        }
    }

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

fn number(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A list of keys as a commit records it.
pub(super) fn list(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
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
    },
    /// The object is not in the bucket.
    Gone,
}

/// What a commit records, besides the keys.
pub(super) struct Commit<'a> {
    pub(super) ticket: u64,
    /// Digest of the entries.
    pub(super) digest: &'a str,
    /// Whether entries are written, and not only found unchanged.
    pub(super) writes: bool,
    pub(super) source: &'a Source,
}

impl Commit<'_> {
    /// The fields of the record, name and value in turn.
    pub(super) fn encode(&self) -> Vec<String> {
        let source = match self.source {
            Source::Gone => [const { String::new() }; 5],
            Source::Object {
                etag,
                version_id,
                last_modified,
                fingerprint,
                basis,
                ..
            } => [
                fingerprint.clone(),
                basis.clone(),
                etag.clone(),
                version_id.clone().unwrap_or_default(),
                last_modified.to_string(),
            ],
        };
        let [fingerprint, basis, etag, version_id, last_modified] = source;
        let mut pairs = self.encode_part();
        for (name, value) in [
            ("fingerprint", fingerprint),
            ("basis", basis),
            ("etag", etag),
            ("version_id", version_id),
            ("last_modified", last_modified),
            ("plugins", plugins(self.source)),
            ("written_at", milliseconds_now().to_string()),
        ] {
            pairs.extend([name.to_owned(), value]);
        }
        pairs
    }

    /// The same for the part of a record that is in one hash slot of a cluster.
    pub(super) fn encode_part(&self) -> Vec<String> {
        let ticket = self.ticket.to_string();
        let mut pairs = vec![
            "ticket".to_owned(),
            ticket.clone(),
            "digest".to_owned(),
            self.digest.to_owned(),
        ];
        if self.writes {
            pairs.extend(["written".to_owned(), ticket]);
        }
        pairs
    }
}

fn plugins(source: &Source) -> String {
    let Source::Object { plugins, .. } = source else {
        return "[]".to_owned();
    };
    let used = plugins.iter().map(|(name, digest)| PluginUsed {
        name: name.clone(),
        sha256: digest.clone(),
    });
    serde_json::json!(used.collect::<Vec<_>>()).to_string()
}

pub(super) fn milliseconds_now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
