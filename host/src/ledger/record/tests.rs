//! A record reads back as it was written.

use super::fields::{self, FIELDS, KEY_FIELDS, KeyFields};
use super::*;
use std::collections::HashMap;

type Pairs<'a> = HashMap<&'a str, &'a [u8]>;

fn decode(given: &Pairs<'_>) -> Record {
    let value = |name: &str| given.get(name).map(|value| value.to_vec());
    Record::decode(FIELDS.map(value), Some(keys_of(given)))
}

fn keys_of(given: &Pairs<'_>) -> Vec<String> {
    let fields: KeyFields = KEY_FIELDS.map(|name| given.get(name).map(|value| value.to_vec()));
    fields::keys(fields)
}

fn texts<'a>(pairs: &[(&'a str, &'a str)]) -> Pairs<'a> {
    pairs
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect()
}

fn digest(byte: &str) -> String {
    byte.repeat(16)
}

fn object(etag: &str, version_id: Option<&str>) -> Source {
    Source::Object {
        etag: etag.into(),
        version_id: version_id.map(str::to_owned),
        last_modified: 1_763_868_000_123,
        fingerprint: digest("f1"),
        basis: digest("ba"),
        plugins: vec![("p.wasm".into(), "0d".repeat(32))],
        author: None,
    }
}

#[test]
fn what_a_commit_records_reads_back() {
    let long = "0123456789abcdef".repeat(2);
    for (etag, version) in [
        (long.as_str(), None),
        (long.as_str(), Some("v")),
        ("0123456789abcdef-2", Some("v1")),
        ("0123456789ABCDEF0123456789ABCDEF", None),
        ("+f", Some("")),
    ] {
        let source = object(etag, version);
        let digest = digest("d1");
        let commit = Commit {
            digest: &digest,
            source: &source,
        };
        let encoded = commit.encode(&["k"]);
        let mut pairs: Pairs<'_> = encoded
            .chunks(2)
            .map(|pair| (str::from_utf8(&pair[0]).unwrap(), pair[1].as_slice()))
            .collect();
        pairs.insert("ticket", b"7");
        let record = decode(&pairs);
        let expected = Record {
            issued: 7,
            committed: 7,
            announced: 7,
            written: 7,
            fingerprint: Some(super::tests::digest("f1")),
            basis: Some(super::tests::digest("ba")),
            digest: Some(digest.clone()),
            etag: Some(etag.into()),
            version_id: version
                .filter(|version| !version.is_empty())
                .map(str::to_owned),
            last_modified: 1_763_868_000_123,
            plugins: vec![PluginUsed {
                name: "p.wasm".into(),
                sha256: "0d".repeat(32),
            }],
            written_at: record.written_at,
            keys: Some(vec!["k".into()]),
            ..Record::default()
        };
        assert_eq!(record, expected);
        assert!(record.is_live() && record.written_at.is_some());
    }
    let digest = digest("d1");
    let gone = Commit {
        digest: &digest,
        source: &Source::Gone,
    };
    let encoded = gone.encode(&[]);
    assert_eq!(encoded.len(), 2, "sums alone");
    let record = decode(&HashMap::from([
        ("s", encoded[1].as_slice()),
        ("ticket", b"7"),
    ]));
    assert_eq!(record.etag.as_deref(), Some(""));
    assert!(!record.is_live() && record.fingerprint.is_none());
}

/// One longer value, and Redis keeps the hash as a table, which takes a kilobyte more.
#[test]
fn no_field_is_longer_than_what_redis_keeps_in_one_piece() {
    let source = object(&"e".repeat(32), Some(&"v".repeat(32)));
    let digest = digest("d1");
    let commit = Commit {
        digest: &digest,
        source: &source,
    };
    for number in [1, 10, 40] {
        let keys: Vec<String> = (0..number)
            .map(|key| format!("app:flags:{number}:{key}"))
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for encoded in [commit.encode(&keys), commit.encode_part(&keys)] {
            assert!(encoded.iter().all(|part| part.len() <= 64), "{number} keys");
        }
    }
}

#[test]
fn a_list_of_keys_of_any_length_reads_back() {
    let long = "x".repeat(16 * 1024);
    let lists: [Vec<String>; 5] = [
        vec![],
        vec!["app:é1".into(), "app:è1".into(), "b".into(), "".into()],
        vec![
            long.clone(),
            format!("{long}y"),
            "z".repeat(255),
            "z".repeat(254),
        ],
        (0..40).map(|key| format!("k:{key}")).collect(),
        (0..5000).map(|key| format!("key number {key}")).collect(),
    ];
    let (source, digest) = (Source::Gone, digest("d1"));
    let commit = Commit {
        digest: &digest,
        source: &source,
    };
    for list in lists {
        let keys: Vec<&str> = list.iter().map(String::as_str).collect();
        let encoded = commit.encode_part(&keys);
        let pairs: Pairs<'_> = encoded
            .chunks(2)
            .map(|pair| (str::from_utf8(&pair[0]).unwrap(), pair[1].as_slice()))
            .collect();
        assert_eq!(keys_of(&pairs), list);
    }
}

/// Nothing but its digests: the object is run once more.
#[test]
fn what_an_earlier_version_has_recorded_is_read() {
    let pairs = texts(&[
        ("issued", "9"),
        ("ticket", "7"),
        ("written", "5"),
        ("digest", "D"),
        ("fingerprint", "F"),
        ("basis", "B"),
        ("etag", "e"),
        ("version_id", ""),
        ("last_modified", "5"),
        ("plugins", r#"[{"name":"p.wasm","sha256":"d"}]"#),
        ("written_at", "6"),
        ("keys", r#"["k","l"]"#),
    ]);
    let expected = Record {
        issued: 9,
        committed: 7,
        announced: 7,
        written: 5,
        etag: Some("e".into()),
        last_modified: 5,
        plugins: vec![PluginUsed {
            name: "p.wasm".into(),
            sha256: "d".into(),
        }],
        written_at: Some(6),
        keys: Some(vec!["k".into(), "l".into()]),
        ..Record::default()
    };
    assert_eq!(decode(&pairs), expected);
}

#[test]
fn what_is_broken_reads_as_nothing() {
    for broken in [
        &b"\x01"[..],
        b"\x05\x01a",
        b"\x00\xff\xff",
        b"\x00\x09abc",
        &[0xff; 64],
    ] {
        let pairs: Pairs<'_> = ["s", "e", "p", "k"].map(|name| (name, broken)).into();
        let record = decode(&pairs);
        assert_eq!((record.plugins.len(), record.keys), (0, Some(vec![])));
    }
}

#[test]
fn an_outstanding_ticket_and_a_record_without_a_commit_are_not_settled() {
    assert!(decode(&texts(&[("issued", "7"), ("ticket", "7")])).is_settled());
    assert!(decode(&texts(&[("ticket", "7")])).is_settled());
    assert!(!decode(&texts(&[("issued", "8"), ("ticket", "7")])).is_settled());
    assert!(!decode(&texts(&[("issued", "8")])).is_settled());
    assert!(!decode(&texts(&[])).is_settled());
}

#[test]
fn a_commit_that_was_announced_and_has_not_finished_leaves_nothing_to_go_by() {
    let sums = [0xd; 60];
    let mut pairs = texts(&[("issued", "9"), ("ticket", "7"), ("announced", "7")]);
    pairs.insert("s", &sums);
    let finished = decode(&pairs);
    assert!(finished.digest.is_some() && finished.keys.is_some());
    pairs.insert("announced", b"8");
    let Record {
        fingerprint,
        basis,
        digest,
        keys,
        ..
    } = decode(&pairs);
    assert_eq!((fingerprint, basis, digest, keys), (None, None, None, None));
}

/// An event without a principal, and a sync, keep who is recorded, of the same state alone.
#[test]
fn who_has_put_an_object_is_who_is_told_or_was_recorded_of_that_state() {
    let author = |name: &str| Author {
        principal: name.to_owned(),
        source_ip: None,
    };
    let (told, recorded) = (author("told"), author("recorded"));
    let record = Record {
        etag: Some("e".into()),
        version_id: Some("v".into()),
        last_modified: 7,
        author: Some(recorded.clone()),
        ..Record::default()
    };
    let by = |etag: &str, version: Option<&str>, last_modified, told: Option<&Author>| {
        let mut source = Source::Object {
            etag: etag.to_owned(),
            version_id: version.map(str::to_owned),
            last_modified,
            fingerprint: String::new(),
            basis: String::new(),
            plugins: Vec::new(),
            author: None,
        };
        source.set_author(|_, _| told, &record);
        match source {
            Source::Object { author, .. } => author,
            Source::Gone => None,
        }
    };
    assert_eq!(by("e", Some("v"), 7, None), Some(recorded));
    assert_eq!(by("e", Some("v"), 7, Some(&told)), Some(told.clone()));
    assert_eq!(by("e", Some("v"), 8, None), None);
    assert_eq!(by("e", Some("w"), 7, None), None);
    assert_eq!(by("f", Some("v"), 7, None), None);
    assert_eq!(by("f", None, 8, Some(&told)), Some(told));
}
