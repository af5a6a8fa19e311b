//! Full syncs: asked for by an operator, a schedule, or a message of the queue.
//!
//! `{"sync": {"prefix": "", "dry_run": false, "force": false, "after": "", "strict": false}}`
//! answers
//!
//! ```json
//! {"status": "success", "message": "1003 objects: 1 synced, 1000 unchanged, 2 deleted", "dry_run": false,
//!  "counts": {"synced": 1, "unchanged": 1000, "deleted": 2, "superseded": 0, "skipped": 0, "failed": 0},
//!  "stray_keys": 0, "failed": []}
//! ```
//!
//! `stray_keys` are those that were removed because the object that had written them does not yield
//! them any more, though no record said so: Redis had evicted it.
//!
//! `failed` has the first 100 failures as `{"key", "error"}`; `status` is `error` where anything
//! failed or the time did not suffice, and `message` then says so. Called again, it passes over what
//! is unchanged. With `dry_run` it takes no tickets and writes nothing: `counts` is what would
//! become of the objects.
//!
//! A sync that did not reach the end answers `next` as well: the key to go on after, as `after`. Where the
//! function has a queue (`SYNC_QUEUE_URL`) it sends itself the rest instead, as a message of that form.
//! With `strict`, and for a schedule, what failed or did not end is an error, so that whoever does not read
//! the answer hears of it.

use super::error::HandlerError;
use crate::event::SyncRequest;
use crate::full_sync::{self, Mode, Span, Summary};
use crate::invocation;
use crate::pipeline::{Pipeline, Rerun};
use crate::report::Outcome;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

pub(super) async fn answer(
    pipeline: &Pipeline,
    request: SyncRequest,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let (strict, dry_run) = (request.strict, request.dry_run);
    let Ended { summary, next } = run(pipeline, request, deadline).await;
    let is_good = summary.is_success() && !matches!(next, Next::From(_));
    if strict && !is_good {
        return Err(HandlerError::Incomplete(told(&summary)));
    }
    Ok(json!(report(summary, dry_run, next)))
}

/// A full sync that a message of the queue asks for; whether the message is done with.
pub(super) async fn from_queue(
    pipeline: &Pipeline,
    request: &SyncRequest,
    deadline: Instant,
) -> bool {
    let request = SyncRequest {
        strict: true,
        ..request.clone()
    };
    answer(pipeline, request, deadline).await.is_ok()
}

/// A full sync that is over, for now.
struct Ended {
    summary: Summary,
    next: Next,
}

/// What comes after it.
enum Next {
    /// Nothing: it has reached the end.
    End,
    /// The rest, which is a message in the queue.
    Continued,
    /// The rest, after this key; all of it where that is empty.
    From(String),
}

async fn run(pipeline: &Pipeline, request: SyncRequest, deadline: Instant) -> Ended {
    let rerun = if request.force {
        Rerun::Always
    } else {
        Rerun::IfChanged
    };
    let mode = if request.dry_run {
        Mode::Preview(rerun)
    } else {
        Mode::Write(rerun)
    };
    let span = Span::under(request.prefix.as_str()).after(request.after.clone());
    let mut summary = full_sync::run(pipeline, &span, mode, deadline).await;
    let is_complete = summary.is_success();
    let next = next(pipeline, &request, &mut summary).await;
    if !request.dry_run {
        invocation::count_sync(is_complete);
    }
    tracing::info!(prefix = request.prefix, after = request.after, summary = %summary, "full sync ended");
    Ended { summary, next }
}

/// Where it goes on. It sends itself the rest only where it has got on at all: otherwise it would do that
/// for ever.
async fn next(pipeline: &Pipeline, request: &SyncRequest, summary: &mut Summary) -> Next {
    if summary.stopped.is_none() {
        return Next::End;
    }
    let reached = summary.reached.clone().unwrap_or_default();
    let has_got_on = reached > request.after;
    if let Some(queue) = pipeline.queue()
        && has_got_on
        && !request.dry_run
    {
        let rest = SyncRequest {
            after: reached.clone(),
            ..request.clone()
        };
        match queue.send_sync(&rest).await {
            Ok(()) => {
                summary.leave_the_rest();
                return Next::Continued;
            }
            Err(error) => {
                tracing::error!(error = %error, "the rest of the sync is not in the queue");
            }
        }
    }
    Next::From(reached)
}

/// The summary with its first failures, for whoever sees the error alone.
fn told(summary: &Summary) -> String {
    const SHOWN: usize = 10;
    let failures = summary.failures.iter().take(SHOWN);
    let failures: Vec<String> = failures
        .map(|failed| format!("`{}`: {}", failed.key, failed.failure().unwrap_or_default()))
        .collect();
    if failures.is_empty() {
        return summary.to_string();
    }
    format!("{summary}: {}", failures.join("; "))
}

/// The answer of `sync`.
#[derive(Serialize)]
struct SyncReport {
    status: &'static str,
    message: String,
    dry_run: bool,
    counts: BTreeMap<&'static str, u64>,
    stray_keys: u64,
    failed: Vec<Failure>,
    /// Where it goes on; only where it did not reach the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Failure {
    key: String,
    error: Option<String>,
}

fn report(summary: Summary, dry_run: bool, next: Next) -> SyncReport {
    let (rest, next) = match next {
        Next::From(key) => ("", Some(key)),
        Next::Continued => ("; the rest is in the queue", None),
        Next::End => ("", None),
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
    SyncReport {
        status: if summary.is_success() {
            "success"
        } else {
            "error"
        },
        message: format!("{summary}{rest}"),
        dry_run,
        counts: outcomes.into_iter().map(count).collect(),
        stray_keys: summary.orphans,
        failed: summary
            .failures
            .into_iter()
            .map(|report| Failure {
                key: report.key,
                error: report.error,
            })
            .collect(),
        next,
    }
}
