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
//! `failed` has the first 100 failures as `{"key", "error"}`, with `"not_reached": true` where there was no time; `status` is `error` where anything
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
//! A sync that did not reach the end answers `next` as well: where to go on, as `after`; and `got_on`, whether it
//! got anywhere: where it did not, it would not the next time. (The place may be the same again: where the search for
//! stray keys got on, or objects are done on the way to the next place.) Whoever goes on says `chain` as it was answered
//! beside `next`: when the sync began, what has failed so far, where the search for stray keys is. Without it, that
//! begins at the front, and nobody takes the last part for the end of a sync of everything.
//!
//! Where the function has a queue (`SYNC_QUEUE_URL`) it leaves there what takes more than half of its time, as
//! `queued` says, and sends itself the rest instead of answering `next`. What comes of that is not in the
//! answer: with `without_queue` it does all itself, and answers `next`.
//!
//! With `strict`, and for a schedule, what failed or did not end is an error, so that whoever does not read
//! the answer hears of it. Where it did not end, and has no queue, it is noted in Redis for six hours where it
//! goes on: the repetition of the event does, and is an error still if anything failed before.

mod kept;
mod next;
mod report;

use super::error::HandlerError;
use super::preview::{Plan, plan};
use crate::event::{Chain, SyncRequest};
use crate::full_sync::{self, By, Compare, Mode, Span, Summary};
use crate::invocation::{self, soon_after};
use crate::ledger::is_stale;
use crate::metrics::Count;
use crate::pipeline::{Pipeline, Rerun};
use crate::report::Outcome;
use next::Next;
use report::{SyncReport, told};
use serde_json::{Value, json};
use std::time::Instant;

pub(super) async fn answer(
    pipeline: &Pipeline,
    mut request: SyncRequest,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let end = soon_after(deadline);
    begin_afresh_if_stale(&mut request);
    let begins_at_front = request.after.is_empty() && request.chain.is_none();
    let is_kept = begins_at_front && request.strict && !request.dry_run;
    let was_kept = is_kept && kept::take(pipeline, &mut request, deadline).await;
    let chain = match &request.chain {
        Some(chain) => Chain {
            whole: request.is_of_everything(),
            ..chain.clone()
        },
        None => Chain::begin(&request),
    };
    let Ended { mut summary, next } = run(pipeline, &request, &chain, deadline, end).await;
    let goes_on = match is_kept {
        true => kept::keep(pipeline, &request, was_kept, &next, end).await,
        false => None,
    };
    let is_over = next.is_end() && summary.late == 0 && !request.dry_run;
    if chain.whole && is_over {
        kept::changes_are_done(pipeline, chain.began, end).await;
    }
    let is_done = match next {
        Next::End => summary.is_success() && chain.failed == 0,
        // What has failed is told when that has come to its end: to repeat all of it would send the rest twice.
        Next::Continued => true,
        Next::From { .. } => false,
    };
    if request.strict && !is_done {
        if !next.is_end() {
            summary.failures.retain(|report| !report.late);
        }
        return Err(HandlerError::Incomplete(told(
            &summary, &request, &chain, goes_on,
        )));
    }
    let changes = if request.dry_run && request.changes {
        changes(pipeline, &mut summary, deadline).await
    } else {
        None
    };
    let mut answer = json!(SyncReport::of(summary, &request, &chain, next));
    if let Some(changes) = changes {
        answer["changes"] = json!(changes);
    }
    Ok(answer)
}

/// What is gone on with so late begins at the front: a failed message that is sent again after days, say. How many parts
/// there were is still counted. Where plugins run in any case it would not get further the next time, if it was the
/// queue that took so long: then it goes on.
fn begin_afresh_if_stale(request: &mut SyncRequest) {
    let is_repeatable = !request.force;
    let is_left = |chain: &mut Chain| is_repeatable && is_stale(chain);
    let Some(stale) = request.chain.take_if(is_left) else {
        return;
    };
    request.after.clear();
    let whole = stale.whole;
    let chain = Chain::begin(request);
    request.chain = Some(Chain {
        whole,
        parts: stale.parts,
        ..chain
    });
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
    let answer = answer(pipeline, request, deadline).await;
    if let Err(error) = &answer {
        tracing::error!(error = %error, "a sync that a message asks for is not done");
    }
    answer.is_ok()
}

/// A full sync that is over, for now.
struct Ended {
    summary: Summary,
    next: Next,
}

async fn run(
    pipeline: &Pipeline,
    request: &SyncRequest,
    chain: &Chain,
    deadline: Instant,
    end: Instant,
) -> Ended {
    let rerun = if request.force {
        Rerun::Always
    } else {
        Rerun::IfChanged
    };
    let is_queued = !request.dry_run && !request.without_queue;
    let queue = pipeline.queue().filter(|_| is_queued);
    let mode = match queue {
        _ if request.dry_run => Mode::DryRun(rerun),
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
    let mut summary = full_sync::run(pipeline, &span, mode, compare, chain, deadline).await;
    tracing::info!(prefix = request.prefix, after = request.after, summary = %summary, "full sync ended");
    let next = Next::of(&mut summary, request, chain, queue, end).await;
    if !request.dry_run {
        count(chain, &summary, &next);
    }
    Ended { summary, next }
}

/// Counts a sync of the whole bucket that is over, as complete where it and whatever it has gone on with has reached
/// the end and nothing failed; and what has drifted, of any.
fn count(chain: &Chain, summary: &Summary, next: &Next) {
    invocation::count(Count::Drifted, summary.drifted);
    let is_over = !matches!(next, Next::Continued);
    if chain.whole && is_over {
        invocation::count_sync(next.is_end() && summary.is_success() && chain.failed == 0);
    }
}
