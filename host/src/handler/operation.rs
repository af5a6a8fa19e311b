//! Direct calls by an operator.
//!
//! `{"sync": {"prefix": "", "dry_run": false, "force": false}}` answers
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
//! `{"status": {}}` answers
//!
//! ```json
//! {"objects": 1000, "failed": 1, "failures": [{"key": "a.json", "error": "…", "at": 1764000000000}]}
//! ```
//!
//! `objects` counts those whose entries are in Redis, `failed` those whose last attempt failed;
//! `failures` has the first 100 of the latter.
//!
//! `{"read": KEY}` answers the value as in an entries document, `null` where there is none;
//! `{"explain": KEY}` answers `{"key", "object", "etag", "version_id", "plugins", "written_at"}`,
//! `null` where Redis Sync did not write that key.

use super::HandlerError;
use crate::entry::document;
use crate::event::{Operation, SyncRequest};
use crate::ledger::{LedgerError, Problem, Start};
use crate::pipeline::{Action, Pipeline, Span, Tally};
use crate::report::Outcome;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Failures that `status` lists.
const MAX_FAILURES: usize = 100;

/// Records that are looked up in one round trip.
const RECORDS_AT_ONCE: usize = 1000;

pub(super) async fn answer(
    pipeline: &Arc<Pipeline>,
    operation: Operation,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    if let Operation::Sync(request) = operation {
        return Ok(sync(pipeline, request, deadline).await);
    }
    let looked_up = look_up(pipeline, operation);
    let in_time = tokio::time::timeout_at(deadline.into(), looked_up).await;
    in_time.map_err(|_| HandlerError::Late)?.map_err(Into::into)
}

async fn look_up(pipeline: &Pipeline, operation: Operation) -> Result<Value, LedgerError> {
    let ledger = pipeline.ledger();
    let prefixed = |key| format!("{}{key}", pipeline.settings().redis.key_prefix);
    Ok(match operation {
        Operation::Read(key) => {
            let value = ledger.read(&prefixed(key)).await?;
            value.map_or(Value::Null, |value| document::value_json(&value))
        }
        Operation::Explain(key) => json!(ledger.explain(&prefixed(key)).await?),
        Operation::Status(_) | Operation::Sync(_) => json!(status(pipeline).await?),
    })
}

/// The answer of `status`.
#[derive(Default, Serialize)]
struct Status {
    objects: u64,
    failed: u64,
    failures: Vec<Problem>,
}

async fn status(pipeline: &Pipeline) -> Result<Status, LedgerError> {
    let ledger = pipeline.ledger();
    let mut status = Status::default();
    let mut from = Start::At(String::new());
    loop {
        let keys = ledger.indexed(&from, None, RECORDS_AT_ONCE).await?;
        for standing in ledger.standings(&keys).await? {
            status.objects += u64::from(standing.live);
            status.failed += u64::from(standing.problem.is_some());
            let room = MAX_FAILURES - status.failures.len();
            status
                .failures
                .extend(standing.problem.into_iter().take(room));
        }
        match keys.last() {
            Some(last) if keys.len() == RECORDS_AT_ONCE => from = Start::After(last.clone()),
            _ => return Ok(status),
        }
    }
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
}

#[derive(Serialize)]
struct Failure {
    key: String,
    error: Option<String>,
}

async fn sync(pipeline: &Arc<Pipeline>, request: SyncRequest, deadline: Instant) -> Value {
    let action = match (request.dry_run, request.force) {
        (true, force) => Action::Preview { force },
        (false, force) => Action::Sync { force },
    };
    let span = Span::under(request.prefix);
    let tally = pipeline.reconcile(&span, action, deadline).await;
    json!(sync_report(tally, request.dry_run))
}

fn sync_report(tally: Tally, dry_run: bool) -> SyncReport {
    let outcomes = [
        Outcome::Synced,
        Outcome::Unchanged,
        Outcome::Deleted,
        Outcome::Superseded,
        Outcome::Skipped,
        Outcome::Failed,
    ];
    let count = |outcome: Outcome| (outcome.name(), tally.count(outcome));
    SyncReport {
        status: if tally.is_success() {
            "success"
        } else {
            "error"
        },
        message: tally.to_string(),
        dry_run,
        counts: outcomes.into_iter().map(count).collect(),
        stray_keys: tally.strays,
        failed: tally
            .failures
            .into_iter()
            .map(|report| Failure {
                key: report.key,
                error: report.error,
            })
            .collect(),
    }
}
