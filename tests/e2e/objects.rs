//! What objects say to the scripted guest.

use serde_json::{Map, Value, json};

/// An object that yields these entries.
pub(crate) fn yields(entries: &Value) -> String {
    json!({"do": "yield", "entries": entries}).to_string()
}

/// An object that yields `bytes` entries.
pub(crate) fn texts(entries: &[(&str, &str)]) -> String {
    let entries = entries.iter();
    let entries: Map<_, _> = entries
        .map(|(key, text)| ((*key).to_owned(), json!({"bytes": text})))
        .collect();
    yields(&Value::Object(entries))
}

/// An object that yields one entry, `v` under this key.
pub(crate) fn one(key: &str) -> String {
    texts(&[(key, "v")])
}

/// An object that yields `count` keys, `<key>:<n>`, that hold `value`.
pub(crate) fn many(key: &str, count: usize, value: &str) -> String {
    json!({"do": "many", "key": key, "count": count, "value": value}).to_string()
}

/// An object that fails.
pub(crate) fn failing() -> String {
    json!({"do": "fail", "message": "no"}).to_string()
}
