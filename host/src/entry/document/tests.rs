use super::*;
use proptest::prelude::*;

const EXAMPLE: &str = r#"[{"key": "k", "type": "bytes", "value": "text"},
    {"key": "b", "type": "bytes", "value": {"base64": "AAH/"}},
    {"key": "h", "type": "hash", "value": {"field": "text"}, "ttl_seconds": 60},
    {"key": "l", "type": "list", "value": ["a", "b"]},
    {"key": "s", "type": "set", "value": ["a"]},
    {"key": "z", "type": "sorted_set", "value": [["member", 1.5]]}]"#;

#[test]
fn the_documented_example_reads_and_writes() {
    let entries = parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(entries.len(), 6);
    assert_eq!(entries[1].value, Value::Bytes(vec![0, 1, 255]));
    assert_eq!(entries[2].ttl_seconds, Some(60));
    let again: serde_json::Value = serde_json::from_str(&render(&entries)).unwrap();
    assert_eq!(
        again,
        serde_json::from_str::<serde_json::Value>(EXAMPLE).unwrap()
    );
}

#[test]
fn what_is_wrong_is_said_without_quoting_the_document() {
    for bad in [
        r#"[{"key":"k","type":"bytes","value":7777}]"#,
        r#"[{"key":"k","type":"SECRET","value":""}]"#,
        "SECRET",
        "[",
    ] {
        let message = parse(bad.as_bytes()).unwrap_err();
        assert!(message.contains("line 1"), "{message}");
        assert!(
            !message.contains("SECRET") && !message.contains("7777"),
            "{message}"
        );
    }
}

/// An entries document whose entries have these types and values.
fn document(entries: &[(&str, String)]) -> String {
    let entries = entries
        .iter()
        .map(|(kind, value)| format!(r#"{{"key": "k", "type": "{kind}", "value": {value}}}"#));
    format!("[{}]", entries.collect::<Vec<_>>().join(","))
}

fn repeated(element: &str, times: usize, [open, close]: [&str; 2]) -> String {
    format!("{open}{}{close}", vec![element; times].join(","))
}

#[test]
fn more_elements_than_may_be_stored_are_counted_and_not_kept() {
    const ARRAY: [&str; 2] = ["[", "]"];
    let too_many = MAX_ELEMENTS + 2;
    for (kind, value) in [
        ("list", repeated(r#""x""#, too_many, ARRAY)),
        ("set", repeated(r#"{"base64":""}"#, too_many, ARRAY)),
        ("hash", repeated(r#""":"""#, too_many, ["{", "}"])),
        ("sorted_set", repeated(r#"["",1]"#, too_many, ARRAY)),
    ] {
        let said = parse(document(&[(kind, value)]).as_bytes()).err();
        let expected = EntryError::TooManyElements(too_many).to_string();
        assert_eq!(said, Some(expected), "{kind}");
    }
}

#[test]
fn elements_are_counted_over_all_entries_and_as_many_as_may_be_stored_are_read() {
    let half = || ("list", repeated(r#""x""#, MAX_ELEMENTS / 2, ["[", "]"]));
    let entries = parse(document(&[half(), half()]).as_bytes()).unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.value.len()).sum::<usize>(),
        MAX_ELEMENTS
    );
    let one = ("bytes", r#""x""#.to_owned());
    let said = parse(document(&[half(), one, half()]).as_bytes()).err();
    let expected = EntryError::TooManyElements(MAX_ELEMENTS + 1).to_string();
    assert_eq!(said, Some(expected));
}

#[test]
fn more_entries_than_may_be_stored_are_counted_and_not_kept() {
    let entries = vec![("bytes", r#""x""#.to_owned()); MAX_KEYS + 2];
    let said = parse(document(&entries).as_bytes()).err();
    assert_eq!(said, Some(EntryError::TooMany(MAX_KEYS + 2).to_string()));
    assert!(parse(document(&entries[2..]).as_bytes()).is_ok());
}

fn any_value() -> impl Strategy<Value = Value> {
    let blob = || prop::collection::vec(any::<u8>(), 0..8);
    prop_oneof![
        blob().prop_map(Value::Bytes),
        prop::collection::btree_map(".{0,4}", blob(), 0..4)
            .prop_map(|map| Value::Hash(map.into_iter().collect())),
        prop::collection::vec(blob(), 0..4).prop_map(Value::List),
        prop::collection::vec(blob(), 0..4).prop_map(Value::Set),
        prop::collection::vec((blob(), -1e9..1e9), 0..4).prop_map(Value::SortedSet),
    ]
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_the_same(key in ".{0,8}", value in any_value(), ttl_seconds in any::<Option<u64>>()) {
        let entries = vec![Entry { key, value, ttl_seconds }];
        prop_assert_eq!(parse(render(&entries).as_bytes()).unwrap(), entries);
    }

    #[test]
    fn no_input_panics(document in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&document);
    }
}
