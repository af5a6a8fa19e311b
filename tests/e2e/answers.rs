//! What answers say.

use redis_sync_local::InvokeError;
use serde_json::Value;
use std::collections::BTreeMap;

/// The outcome of the only object of a report.
pub(crate) fn outcome(report: &Value) -> &str {
    assert_eq!(
        report["objects"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    report["objects"][0]["outcome"].as_str().unwrap()
}

/// The message of a failed invocation.
pub(crate) fn message(answer: Result<Value, InvokeError>) -> String {
    match answer {
        Err(InvokeError::Failed { error_message, .. }) => error_message,
        other => panic!("it should have failed, but: {other:?}"),
    }
}

/// The counts of a full sync's report that are not zero.
pub(crate) fn counts(report: &Value) -> BTreeMap<String, u64> {
    let counts = report["counts"].as_object().unwrap();
    let outcomes = counts.keys().filter(|name| *name != "drifted");
    assert_eq!(outcomes.count(), 6, "{report}");
    counts
        .iter()
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Counts to compare them with.
pub(crate) fn counted<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}
