//! Full syncs: asked for by an operator, a schedule, or a message of the queue.
//!
//! `{"sync": {"prefix": "", "dry_run": false, "force": false, "verify": false, "after": "", "strict": false}}`
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
//! failed or the time did not suffice, and `message` then says so. Called again, it skips what
//! is unchanged. With `dry_run` it takes no tickets and writes nothing: `counts` is what would
//! become of the objects.
//!
//! With `changes` as well it answers `changes` by object and key, in the form of a preview, without values:
//! `{"keys": {"added": 1, "changed": 0, "removed": 0}, "objects": [{"key": …, "outcome": "changed", "changes": […]}], "left_out": 0}`.
//! That has up to the first 1,000 objects, and `left_out` counts those of which nothing is told.
//!
//! With `verify` it has Redis compute a digest of what every key holds, and compares it with the record's.
//! What differs is written again. Without, it sees whether the keys are there and whose they are, and no
//! value that somebody else has overwritten. Objects that Redis held otherwise than recorded, though
//! nothing of theirs had changed, are counted as `drifted`, besides their outcome: always with `verify`,
//! and else where there are any. (That expiring keys are gone is no drift.)
//!
//! A sync that did not reach the end answers `next` as well: the key to go on after, as `after`. Where the
//! function has a queue (`SYNC_QUEUE_URL`) it sends itself the rest instead, as a message of that form.
//! With `strict`, and for a schedule, what failed or did not end is an error, so that whoever does not read
//! the answer hears of it. Where it did not end, and has no queue, it is noted in Redis for six hours where it
//! goes on: the repetition of the event does, and is an error still if anything failed before.

use super::error::HandlerError;
use super::preview::{Plan, plan};
use crate::event::SyncRequest;
use crate::full_sync::{self, By, Compare, Mode, Span, Summary};
use crate::invocation;
use crate::ledger::{KeptSync, LedgerError};
use crate::metrics::Count;
use crate::pipeline::{Pipeline, Rerun};
use crate::report::Outcome;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

pub(super) async fn answer(
    pipeline: &Pipeline,
    mut request: SyncRequest,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let begins_at_front = request.after.is_empty() && !request.dry_run;
    let kept = match begins_at_front && request.strict {
        true => kept(pipeline, &mut request).await,
        false => KeptSync::begin(),
    };
    let Ended { mut summary, next } = run(pipeline, &request, deadline).await;
    if begins_at_front && request.strict {
        keep(pipeline, &request, &kept, &summary, &next).await;
    }
    if begins_at_front && request.prefix.is_empty() && next.is_end() && summary.late == 0 {
        changes_are_done(pipeline, kept.began).await;
    }
    let is_whole = summary.is_success() && kept.failed == 0 && !matches!(next, Next::From(_));
    if request.strict && !is_whole {
        return Err(HandlerError::Incomplete(told(&summary, &kept, &next)));
    }
    let changes = if request.dry_run && request.changes {
        changes(pipeline, &mut summary, deadline).await
    } else {
        None
    };
    let mut answer = json!(report(summary, &request, next));
    if let Some(changes) = changes {
        answer["changes"] = json!(changes);
    }
    Ok(answer)
}

/// What a dry run would change; nothing where that cannot be found out, since the counts stand without it.
async fn changes(pipeline: &Pipeline, summary: &mut Summary, deadline: Instant) -> Option<Plan> {
    let keys = std::mem::take(&mut summary.foreseen);
    let due = summary.count(Outcome::Synced) + summary.count(Outcome::Deleted);
    let plan = plan(pipeline, keys, due, deadline).await;
    plan.inspect_err(|error| tracing::warn!(error = %error, "what would change cannot be told"))
        .ok()
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

impl Next {
    fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }
}

async fn run(pipeline: &Pipeline, request: &SyncRequest, deadline: Instant) -> Ended {
    let rerun = if request.force {
        Rerun::Always
    } else {
        Rerun::IfChanged
    };
    let mode = match pipeline.queue() {
        _ if request.dry_run => Mode::Preview(rerun),
        None => Mode::Write(rerun, By::Itself),
        Some(queue) if request.after.is_empty() => Mode::Write(rerun, By::Half(queue)),
        // It goes on: there is more to do than fits into an invocation.
        Some(queue) => Mode::Write(rerun, By::Queue(queue)),
    };
    let compare = if request.verify {
        Compare::Contents
    } else {
        Compare::Keys
    };
    let span = Span::under(request.prefix.as_str()).after(request.after.clone());
    let mut summary = full_sync::run(pipeline, &span, mode, compare, deadline).await;
    let is_complete = summary.is_success();
    let next = next(pipeline, request, &mut summary).await;
    if !request.dry_run {
        invocation::count_sync(is_complete);
        invocation::count(Count::Drifted, summary.drifted);
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
    let reached = summary.reached.clone();
    let reached = reached.unwrap_or_else(|| request.after.clone());
    if let Some(queue) = pipeline.queue()
        && summary.has_got_on(&request.after)
        && !request.dry_run
    {
        let rest = SyncRequest {
            after: reached.clone(),
            ..request.clone()
        };
        match queue.send_sync(&rest).await {
            Ok(()) => {
                summary.stopped = None;
                return Next::Continued;
            }
            Err(error) => {
                tracing::error!(error = %error, "the rest of the sync is not in the queue");
            }
        }
    }
    Next::From(reached)
}

/// Where a strict sync goes on that did not get to its end the last time; it is told to.
async fn kept(pipeline: &Pipeline, request: &mut SyncRequest) -> KeptSync {
    match pipeline.ledger().kept_sync(&request.name()).await {
        Ok(Some(kept)) => {
            request.after.clone_from(&kept.after);
            tracing::info!(after = kept.after, "a sync that was out of time goes on");
            return kept;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = %error, "where a sync goes on cannot be read: it begins at the front");
        }
    }
    KeptSync::begin()
}

/// A sync of everything has come to its end: what had changed before it began is carried out.
async fn changes_are_done(pipeline: &Pipeline, began: u64) {
    let ledger = pipeline.ledger();
    let done = async {
        for change in ledger.progress().await?.changes {
            if change.began < began {
                ledger.end_change(&change.plugin).await?;
            }
        }
        Ok::<(), LedgerError>(())
    };
    if let Err(error) = done.await {
        tracing::warn!(error = %error, "changes that are carried out cannot be noted as such");
    }
}

/// Notes where a strict sync goes on, or that it is over.
async fn keep(
    pipeline: &Pipeline,
    request: &SyncRequest,
    kept: &KeptSync,
    summary: &Summary,
    next: &Next,
) {
    let note = match next {
        Next::End | Next::Continued if kept.after.is_empty() => return,
        Next::End | Next::Continued => None,
        Next::From(after) if after.is_empty() => return,
        Next::From(after) => Some(KeptSync {
            after: after.clone(),
            failed: kept.failed + summary.count(Outcome::Failed) + summary.left_out,
            ..kept.clone()
        }),
    };
    let name = request.name();
    let kept = pipeline.ledger().keep_sync(&name, note.as_ref()).await;
    if let Err(error) = kept {
        tracing::warn!(error = %error, "where the sync goes on cannot be noted");
    }
}

/// The summary with its first failures, for whoever sees the error alone.
fn told(summary: &Summary, kept: &KeptSync, next: &Next) -> String {
    const SHOWN: usize = 10;
    let failures = summary.failures.iter().take(SHOWN);
    let failures: Vec<String> = failures
        .map(|failed| format!("`{}`: {}", failed.key, failed.failure().unwrap_or_default()))
        .collect();
    let mut told = summary.to_string();
    if kept.failed > 0 {
        let _ = write!(told, "; {} failed up to `{}`", kept.failed, kept.after);
    }
    if let Next::From(after) = next
        && !after.is_empty()
    {
        let _ = write!(told, "; the next one goes on after `{after}`");
    }
    if !failures.is_empty() {
        let _ = write!(told, ": {}", failures.join("; "));
    }
    told
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

fn report(summary: Summary, request: &SyncRequest, next: Next) -> SyncReport {
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
    let drifted = (request.verify || summary.drifted > 0).then_some(("drifted", summary.drifted));
    SyncReport {
        status: if summary.is_success() {
            "success"
        } else {
            "error"
        },
        message: format!("{summary}{rest}"),
        dry_run: request.dry_run,
        counts: outcomes.into_iter().map(count).chain(drifted).collect(),
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
