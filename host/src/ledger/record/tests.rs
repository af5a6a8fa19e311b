//! A record reads back as it was written.

use super::*;
use std::collections::HashMap;

fn decode(pairs: &[(&str, &str)], keys: Option<&str>) -> Record {
    let given: HashMap<&str, &str> = pairs.iter().copied().collect();
    let fields = FIELDS.map(|name| given.get(name).map(|value| (*value).to_owned()));
    Record::decode(fields, keys)
}

#[test]
fn what_a_commit_records_reads_back() {
    let source = Source::Object {
        etag: "e".into(),
        version_id: Some("v".into()),
        last_modified: 5,
        fingerprint: "f".into(),
        basis: "b".into(),
        plugins: vec![("p.wasm".into(), "d".into())],
    };
    let commit = |source| Commit {
        ticket: 7,
        digest: "D",
        writes: true,
        source,
    };
    let encoded = commit(&source).encode();
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
        digest: Some("D".into()),
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
    let pairs = commit(&Source::Gone).encode();
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
