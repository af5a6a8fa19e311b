//! The record of an object: its fields, how they are written and how they are read.

use super::proposal::{Proposal, Source, Write};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// The fields of a record's hash that are read together, in this order.
pub(super) const FIELDS: [&str; 15] = [
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

/// The fields that a commit of this proposal sets, name and value in turn, besides the keys.
pub(super) fn encode(proposal: &Proposal) -> Vec<String> {
    let source = match &proposal.source {
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
    let mut pairs = encode_part(proposal);
    for (name, value) in [
        ("fingerprint", fingerprint),
        ("basis", basis),
        ("etag", etag),
        ("version_id", version_id),
        ("last_modified", last_modified),
        ("plugins", plugins(&proposal.source)),
        ("written_at", milliseconds_now().to_string()),
    ] {
        pairs.extend([name.to_owned(), value]);
    }
    pairs
}

/// The same for the part of a record that is in one hash slot of a cluster.
pub(super) fn encode_part(proposal: &Proposal) -> Vec<String> {
    let ticket = proposal.ticket.number.to_string();
    let mut pairs = vec![
        "ticket".to_owned(),
        ticket.clone(),
        "digest".to_owned(),
        proposal.digest().to_owned(),
    ];
    if let Write::Entries(_) = proposal.write {
        pairs.extend(["written".to_owned(), ticket]);
    }
    pairs
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
mod tests {
    use super::*;
    use crate::entry::{Entry, EntrySet, Value};
    use crate::ledger::Ticket;
    use std::collections::HashMap;

    fn decode(pairs: &[(&str, &str)], keys: Option<&str>) -> Record {
        let given: HashMap<&str, &str> = pairs.iter().copied().collect();
        let fields = FIELDS.map(|name| given.get(name).map(|value| (*value).to_owned()));
        Record::decode(fields, keys)
    }

    #[test]
    fn what_a_commit_records_reads_back() {
        let entry = Entry {
            key: "k".into(),
            value: Value::Bytes(b"v".to_vec()),
            ttl_seconds: None,
        };
        let proposal = Proposal {
            key: "o".into(),
            ticket: Ticket {
                number: 7,
                record: Record::default(),
            },
            source: Source::Object {
                etag: "e".into(),
                version_id: Some("v".into()),
                last_modified: 5,
                fingerprint: "f".into(),
                basis: "b".into(),
                plugins: vec![("p.wasm".into(), "d".into())],
            },
            write: Write::Entries(EntrySet::new(vec![entry], "", None).unwrap()),
        };
        let encoded = encode(&proposal);
        let pairs: Vec<(&str, &str)> = encoded
            .chunks(2)
            .map(|pair| (pair[0].as_str(), pair[1].as_str()))
            .collect();
        let record = decode(&pairs, Some(r#"["k"]"#));
        let expected = Record {
            committed: 7,
            written: 7,
            fingerprint: Some("f".into()),
            basis: Some("b".into()),
            digest: Some(proposal.digest().to_owned()),
            etag: Some("e".into()),
            version_id: Some("v".into()),
            last_modified: 5,
            plugins: vec![PluginUsed {
                name: "p.wasm".into(),
                sha256: "d".into(),
            }],
            written_at: record.written_at,
            keys: Some(vec!["k".into()]),
            ..Record::default()
        };
        assert_eq!(record, expected);
        assert!(record.is_live() && record.written_at.is_some());
        let gone = Proposal {
            source: Source::Gone,
            ..proposal
        };
        let pairs = encode(&gone);
        let etag = pairs.iter().position(|text| text == "etag").unwrap();
        assert_eq!(pairs[etag + 1], "");
    }

    #[test]
    fn an_outstanding_ticket_and_a_record_without_a_commit_are_not_settled() {
        assert!(decode(&[("issued", "7"), ("ticket", "7")], None).is_settled());
        assert!(!decode(&[("issued", "8"), ("ticket", "7")], None).is_settled());
        assert!(!decode(&[("issued", "8")], None).is_settled());
        assert!(!decode(&[], None).is_settled());
    }

    #[test]
    fn a_commit_that_was_announced_and_has_not_finished_leaves_nothing_to_go_by() {
        let fields = [
            ("issued", "9"),
            ("ticket", "7"),
            ("digest", "d"),
            ("fingerprint", "f"),
            ("basis", "b"),
        ];
        let finished = decode(&[&fields[..], &[("announced", "7")]].concat(), Some("[]"));
        assert!(finished.digest.is_some() && finished.keys.is_some());
        let broken_off = decode(&[&fields[..], &[("announced", "8")]].concat(), Some("[]"));
        let Record {
            fingerprint,
            basis,
            digest,
            keys,
            ..
        } = broken_off;
        assert_eq!((fingerprint, basis, digest, keys), (None, None, None, None));
    }
}
