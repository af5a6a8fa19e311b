//! Whatever a plugin prints, it is entries or a refusal that says where and quotes nothing. Entries
//! that were read are the same when they are written and read again, and are checked without a
//! panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_sync_fuzz::entry::{Entry, EntrySet, Value, document, total_size};
use std::collections::BTreeMap;

/// Every refusal, without its numbers.
const REFUSALS: [&str; 3] = [
    "it ends too early (line , column )",
    "not JSON (line , column )",
    "not of the entries document's form (line , column )",
];

fuzz_target!(|text: &[u8]| {
    match document::parse(text) {
        Ok(entries) => assert_sound(entries),
        Err(refusal) => assert_quotes_nothing(&refusal),
    }
});

fn assert_sound(entries: Vec<Entry>) {
    let written = document::render(&entries);
    let again = document::parse(written.as_bytes());
    let again = again.unwrap_or_else(|refusal| panic!("{refusal}: {written}"));
    assert_eq!(
        again.into_iter().map(normal).collect::<Vec<_>>(),
        entries.iter().cloned().map(normal).collect::<Vec<_>>()
    );
    let (number, size) = (entries.len(), total_size(&entries));
    if let Ok(set) = EntrySet::new(entries, "prefix:", Some(60)) {
        assert!(set.len() <= number);
        assert!(total_size(set.entries()) <= size + number * "prefix:".len());
        assert!(
            set.entries()
                .iter()
                .all(|entry| entry.ttl_seconds.is_some())
        );
        assert_eq!(set.digest(), set.clone().digest());
    }
}

/// A hash has no order, and of a field that is there twice the last one counts, as in Redis.
fn normal(entry: Entry) -> Entry {
    let value = match entry.value {
        Value::Hash(fields) => {
            let fields: BTreeMap<String, Vec<u8>> = fields.into_iter().collect();
            Value::Hash(fields.into_iter().collect())
        }
        value => value,
    };
    Entry { value, ..entry }
}

fn assert_quotes_nothing(refusal: &str) {
    let without: String = refusal
        .chars()
        .filter(|letter| !letter.is_ascii_digit())
        .collect();
    let problem = without
        .strip_prefix("the value of entry : ")
        .unwrap_or(&without);
    assert!(REFUSALS.contains(&problem), "{refusal}");
}
