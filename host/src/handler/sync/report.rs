//! What is said of a sync.

use super::next::Next;
use crate::event::{Chain, SyncRequest};
use crate::full_sync::Summary;
use crate::report::{Outcome, spelled};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The summary with its first failures, for whoever sees the error alone. `goes_on` is the place that is noted: at the
/// front, it goes on with what comes last.
pub(super) fn told(
    summary: &Summary,
    request: &SyncRequest,
    chain: &Chain,
    goes_on: Option<&str>,
) -> String {
    const SHOWN: usize = 10;
    let failures = spelled(&summary.failures, SHOWN);
    let mut told = summary.to_string();
    told.push_str(&failed_before(chain.failed, &request.after));
    match goes_on {
        None => {}
        Some("") => told.push_str("; the next one goes on with these"),
        Some(after) => {
            let _ = write!(told, "; the next one goes on after `{after}`");
        }
    }
    if !failures.is_empty() {
        let _ = write!(told, ": {}", failures.join("; "));
    }
    told
}

/// What is said of objects that failed in parts before the one that went on after this key.
fn failed_before(objects: u64, after: &str) -> String {
    match (objects, after) {
        (0, _) => String::new(),
        (objects, "") => format!("; {objects} failed before"),
        (objects, after) => format!("; {objects} failed up to `{after}`"),
    }
}

/// The answer of `sync`.
#[derive(Serialize)]
pub(super) struct SyncReport {
    status: &'static str,
    message: String,
    dry_run: bool,
    counts: BTreeMap<&'static str, u64>,
    stray_keys: u64,
    /// Objects that are left to the queue; only where there are any.
    #[serde(skip_serializing_if = "is_zero")]
    queued: u64,
    failed: Vec<Failure>,
    /// Where it goes on; only where it did not reach the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// What the part that goes on is told; only where it did not reach the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Chain>,
    /// Whether it got anywhere; only where it did not reach the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    got_on: Option<bool>,
}

#[derive(Serialize)]
struct Failure {
    key: String,
    error: Option<String>,
    /// Whether there was no time for it: whoever goes on comes to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_reached: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl SyncReport {
    pub(super) fn of(summary: Summary, request: &SyncRequest, chain: &Chain, next: Next) -> Self {
        let is_end = next.is_end();
        let failed_in_others = if is_end { chain.failed } else { 0 };
        let (rest, next, chain, got_on) = match next {
            Next::From {
                after,
                chain,
                got_on,
            } => ("", Some(after), Some(chain), Some(got_on)),
            Next::Continued => ("; the rest is in the queue", None, None, None),
            Next::End => ("", None, None, None),
        };
        let outcomes = [
            Outcome::Synced,
            Outcome::Unchanged,
            Outcome::Deleted,
            Outcome::Superseded,
            Outcome::Skipped,
            Outcome::Failed,
        ];
        let count = |outcome: Outcome| (outcome.name(), summary.count(outcome));
        let drifted = request.verify || summary.drifted > 0;
        let drifted = drifted.then_some(("drifted", summary.drifted));
        Self {
            status: if summary.is_success() && failed_in_others == 0 {
                "success"
            } else {
                "error"
            },
            message: format!(
                "{summary}{rest}{}",
                failed_before(failed_in_others, &request.after)
            ),
            dry_run: request.dry_run,
            counts: outcomes.into_iter().map(count).chain(drifted).collect(),
            stray_keys: summary.orphans,
            queued: summary.queued,
            failed: summary
                .failures
                .into_iter()
                .map(|report| Failure {
                    key: report.key,
                    error: report.error,
                    not_reached: report.late,
                })
                .collect(),
            next,
            chain,
            got_on,
        }
    }
}
