//! What changed between entries, by key and field.

use crate::screen::{BOLD, GREEN, RED, YELLOW, short, styled};
use redis_sync::entry::{Entry, Value, document};
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeMap;

/// Characters of a value that are shown.
const WIDTH: usize = 100;

/// Lines of a text around a change that are shown with it.
const CONTEXT: usize = 2;

/// A line that is gone.
pub(crate) fn minus(line: &str) -> String {
    styled(RED, format!("  - {}", short(line, 4 * WIDTH)))
}

/// A line that is new.
pub(crate) fn plus(line: &str) -> String {
    styled(GREEN, format!("  + {}", short(line, 4 * WIDTH)))
}

/// What changed from `before` to `after`, a line each, under the keys. Nothing where nothing did.
pub(crate) fn entries(before: &[Entry], after: &[Entry]) -> Vec<String> {
    let by_key = |entries: &[Entry]| -> BTreeMap<String, Entry> {
        let pair = |entry: &Entry| (entry.key.clone(), entry.clone());
        entries.iter().map(pair).collect()
    };
    let (before, after) = (by_key(before), by_key(after));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .flat_map(|key| entry(key, before.get(key), after.get(key)))
        .collect()
}

/// What changed in one key.
fn entry(key: &str, before: Option<&Entry>, after: Option<&Entry>) -> Vec<String> {
    let headline = |sign: &str, style, what: &str| {
        let key = styled(BOLD, short(key, WIDTH));
        format!("{} {key} {what}", styled(style, sign))
    };
    match (before, after) {
        (None, None) => Vec::new(),
        (None, Some(after)) => {
            let mut lines = vec![headline("+", GREEN, &kind(after))];
            lines.extend(appeared(&after.value));
            lines
        }
        (Some(before), None) => {
            let mut lines = vec![headline("-", RED, &kind(before))];
            lines.extend(vanished(&before.value));
            lines
        }
        (Some(before), Some(after)) => {
            let mut lines = value(&before.value, &after.value);
            let (old, new) = (kind(before), kind(after));
            if old != new {
                lines.insert(0, minus(&old));
                lines.insert(1, plus(&new));
            }
            if !lines.is_empty() {
                lines.insert(0, headline("~", YELLOW, &new));
            }
            lines
        }
    }
}

/// Type and time to live.
fn kind(entry: &Entry) -> String {
    let kind = entry.value.kind();
    match entry.ttl_seconds {
        Some(seconds) => format!("({kind}, {seconds} s)"),
        None => format!("({kind})"),
    }
}

/// A value that is new.
fn appeared(value: &Value) -> Vec<String> {
    match value {
        Value::Bytes(bytes) => texts(&[], bytes),
        value => elements(value).iter().map(|line| plus(line)).collect(),
    }
}

/// A value that is gone.
fn vanished(value: &Value) -> Vec<String> {
    match value {
        Value::Bytes(bytes) => texts(bytes, &[]),
        value => elements(value).iter().map(|line| minus(line)).collect(),
    }
}

/// What changed between values.
fn value(before: &Value, after: &Value) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    match (before, after) {
        (Value::Bytes(before), Value::Bytes(after)) => texts(before, after),
        // The order of a list is its content; of nothing else is.
        (Value::List(_), Value::List(_)) => lines(&elements(before), &elements(after)),
        _ => {
            let sorted = |value: &Value| {
                let mut elements = elements(value);
                elements.sort();
                elements
            };
            lines(&sorted(before), &sorted(after))
        }
    }
}

/// The lines that are not in both.
fn lines(before: &[String], after: &[String]) -> Vec<String> {
    TextDiff::configure()
        .diff_slices(
            &before.iter().map(String::as_str).collect::<Vec<_>>(),
            &after.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .iter_all_changes()
        .filter_map(|change| changed(change.tag(), change.value()))
        .collect()
}

/// Two texts, where both are such, line by line with a little context.
fn texts(before: &[u8], after: &[u8]) -> Vec<String> {
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
        let size = |bytes: &[u8]| format!("{} bytes: {}", bytes.len(), blob(bytes));
        return vec![minus(&size(before)), plus(&size(after))];
    };
    let (before, after) = (pretty(before), pretty(after));
    let diff = TextDiff::from_lines(&before, &after);
    let mut shown = Vec::new();
    for (place, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if place > 0 {
            shown.push("    …".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = change.value().trim_end_matches('\n');
            let same = || format!("    {}", short(line, 4 * WIDTH));
            shown.push(changed(change.tag(), line).unwrap_or_else(same));
        }
    }
    shown
}

fn changed(tag: ChangeTag, line: &str) -> Option<String> {
    match tag {
        ChangeTag::Equal => None,
        ChangeTag::Delete => Some(minus(line)),
        ChangeTag::Insert => Some(plus(line)),
    }
}

/// JSON with a member a line; any other text as it is.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => {
            format!("{value:#}\n")
        }
        _ => text.to_owned(),
    }
}

/// The elements of a value, a line each.
pub(crate) fn elements(value: &Value) -> Vec<String> {
    match value {
        Value::Bytes(bytes) => vec![blob(bytes)],
        Value::Hash(fields) => fields
            .iter()
            .map(|(field, value)| format!("{field} = {}", blob(value)))
            .collect(),
        Value::List(items) | Value::Set(items) => items.iter().map(|item| blob(item)).collect(),
        Value::SortedSet(members) => members
            .iter()
            .map(|(member, score)| format!("{} at {score}", blob(member)))
            .collect(),
    }
}

/// Bytes as the entries document has them.
pub(crate) fn blob(bytes: &[u8]) -> String {
    match document::value_json(&Value::Bytes(bytes.to_vec())) {
        serde_json::Value::String(text) => text,
        base64 => base64.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    fn changed(before: &str, after: &str) -> Vec<String> {
        let read = |text: &str| document::parse(text.as_bytes()).expect("entries");
        let lines = entries(&read(before), &read(after));
        lines
            .iter()
            .map(|line| strip_str(line).to_string())
            .collect()
    }

    #[test]
    fn what_changed_is_told_by_key_and_field() {
        let before = r#"[{"key": "a", "type": "hash", "value": {"x": "1", "y": "2"}},
            {"key": "b", "type": "set", "value": ["m"]}, {"key": "e", "type": "bytes", "value": "same"}]"#;
        let after = r#"[{"key": "a", "type": "hash", "value": {"y": "3", "x": "1"}},
            {"key": "c", "type": "sorted_set", "value": [["m", 1.5]]}, {"key": "e", "type": "bytes", "value": "same"}]"#;
        let expected = [
            "~ a (hash)",
            "  - y = 2",
            "  + y = 3",
            "- b (set)",
            "  - m",
            "+ c (sorted_set)",
            "  + m at 1.5",
        ];
        assert_eq!(changed(before, after), expected);
        assert!(changed(after, after).is_empty());
    }

    #[test]
    fn json_in_a_value_is_told_by_its_members() {
        let entry =
            |value: &str| format!(r#"[{{"key": "k", "type": "bytes", "value": {value:?}}}]"#);
        let lines = changed(&entry(r#"{"a":1,"b":2}"#), &entry(r#"{"b":3,"a":1}"#));
        assert_eq!(lines[0], "~ k (bytes)");
        assert!(lines.contains(&"  -   \"b\": 2".to_owned()), "{lines:?}");
        assert!(lines.contains(&"  +   \"b\": 3".to_owned()), "{lines:?}");
    }

    #[test]
    fn the_order_of_a_list_counts_and_that_of_a_set_does_not() {
        let list = |kind: &str, a: &str, b: &str| {
            format!(r#"[{{"key": "k", "type": "{kind}", "value": ["{a}", "{b}"]}}]"#)
        };
        assert!(changed(&list("set", "1", "2"), &list("set", "2", "1")).is_empty());
        assert_eq!(
            changed(&list("list", "1", "2"), &list("list", "2", "1")).len(),
            3
        );
    }

    #[test]
    fn another_type_or_time_to_live_is_told() {
        let before = r#"[{"key": "k", "type": "bytes", "value": "v"}]"#;
        let after = r#"[{"key": "k", "type": "bytes", "value": "v", "ttl_seconds": 60}]"#;
        assert_eq!(
            changed(before, after),
            ["~ k (bytes, 60 s)", "  - (bytes)", "  + (bytes, 60 s)"]
        );
    }
}
