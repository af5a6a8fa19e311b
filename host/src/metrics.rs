//! Metrics, in CloudWatch's embedded metric format: one JSON line on stdout an invocation, of which
//! CloudWatch makes metrics. Neither keys nor request identifiers are dimensions: each value of one
//! would be a metric of its own, and be paid for.

use crate::report::Outcome;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The outcomes and the names of their metrics.
const OBJECTS: [(Outcome, &str); 6] = [
    (Outcome::Synced, "ObjectsSynced"),
    (Outcome::Unchanged, "ObjectsUnchanged"),
    (Outcome::Deleted, "ObjectsDeleted"),
    (Outcome::Superseded, "ObjectsSuperseded"),
    (Outcome::Skipped, "ObjectsSkipped"),
    (Outcome::Failed, "ObjectsFailed"),
];

/// A number that is added to in one place and written in another; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.add(1);
    }

    /// What it has come to; it begins at zero again.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }
}

/// Counts since the last line. Invocations that run at the same time share them: whichever ends
/// first writes them, and their sum is right.
#[derive(Debug)]
pub struct Metrics {
    namespace: String,
    /// The only dimension.
    function: String,
    /// In the order of [`OBJECTS`].
    objects: [Counter; 6],
    /// Compiled modules that were there and were not used.
    refused: Counter,
    /// Full syncs that ended, and those of them that reached the end without a failure.
    syncs: [Counter; 2],
}

impl Metrics {
    /// Nothing counted yet; `refused` counts the compiled modules that are not used.
    pub fn new(namespace: &str, refused: Counter) -> Self {
        Self {
            namespace: namespace.to_owned(),
            function: std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
            objects: Default::default(),
            refused,
            syncs: Default::default(),
        }
    }

    /// Counts a full sync: `SyncCompleted` is 1 where it reached the end and nothing failed, 0 where
    /// not, and is not there where none ran, so that an alarm can tell these apart.
    pub fn count_sync(&self, is_complete: bool) {
        let [ended, completed] = &self.syncs;
        ended.count();
        completed.add(is_complete.into());
    }

    /// Counts objects.
    pub fn count(&self, outcome: Outcome, objects: u64) {
        let counters = OBJECTS.iter().zip(&self.objects);
        for (_, counter) in counters.filter(|((counted, _), _)| *counted == outcome) {
            counter.add(objects);
        }
    }

    /// Writes what was counted, and begins at zero again.
    pub fn write(&self, duration: Duration, failed: bool) {
        let line = self.line(SystemTime::now(), duration, failed);
        // Whoever closed stdout wants no metrics.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    fn line(&self, now: SystemTime, duration: Duration, failed: bool) -> Value {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut metrics = vec![
            json!({"Name": "Duration", "Unit": "Milliseconds"}),
            json!({"Name": "InvocationsFailed", "Unit": "Count"}),
        ];
        let mut line = json!({
            "FunctionName": self.function,
            "Duration": duration.as_secs_f64() * 1000.0,
            "InvocationsFailed": u8::from(failed),
        });
        let objects = OBJECTS.iter().map(|(_, name)| *name).zip(&self.objects);
        for (name, counter) in objects.chain([("CompiledRefused", &self.refused)]) {
            metrics.push(json!({"Name": name, "Unit": "Count"}));
            line[name] = counter.take().into();
        }
        let [ended, completed] = self.syncs.each_ref().map(Counter::take);
        if ended > 0 {
            metrics.push(json!({"Name": "SyncCompleted", "Unit": "Count"}));
            line["SyncCompleted"] = completed.into();
        }
        line["_aws"] = json!({
            "Timestamp": u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": self.namespace,
                "Dimensions": [["FunctionName"]],
                "Metrics": metrics,
            }],
        });
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_the_format_wants_and_counts_once() {
        let refused = Counter::default();
        let metrics = Metrics {
            function: "f".into(),
            ..Metrics::new("RedisSync", refused.clone())
        };
        refused.count();
        metrics.count(Outcome::Synced, 2);
        metrics.count(Outcome::Failed, 1);
        let now = UNIX_EPOCH + Duration::from_millis(7);
        let line = metrics.line(now, Duration::from_millis(5), true);
        let count = |name: &str| json!({"Name": name, "Unit": "Count"});
        let expected = json!({
            "_aws": {"Timestamp": 7, "CloudWatchMetrics": [{
                "Namespace": "RedisSync",
                "Dimensions": [["FunctionName"]],
                "Metrics": [
                    {"Name": "Duration", "Unit": "Milliseconds"},
                    count("InvocationsFailed"), count("ObjectsSynced"), count("ObjectsUnchanged"),
                    count("ObjectsDeleted"), count("ObjectsSuperseded"), count("ObjectsSkipped"),
                    count("ObjectsFailed"), count("CompiledRefused"),
                ],
            }]},
            "FunctionName": "f", "Duration": 5.0, "InvocationsFailed": 1,
            "ObjectsSynced": 2, "ObjectsUnchanged": 0, "ObjectsDeleted": 0,
            "ObjectsSuperseded": 0, "ObjectsSkipped": 0, "ObjectsFailed": 1,
            "CompiledRefused": 1,
        });
        assert_eq!(line, expected);
        assert_eq!(line.get("SyncCompleted"), None);
        metrics.count_sync(false);
        let next = metrics.line(now, Duration::ZERO, false);
        assert_eq!(next["SyncCompleted"], 0);
        assert_eq!(
            (&next["ObjectsSynced"], &next["ObjectsFailed"]),
            (&json!(0), &json!(0))
        );
    }
}
