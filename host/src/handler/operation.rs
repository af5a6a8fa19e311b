//! Direct calls by an operator.
//!
//! `{"sync": …}` is in [`sync`], `{"preview": …}` in [`preview`](mod@preview).
//!
//! `{"status": {}}` answers
//!
//! ```json
//! {"objects": 1000, "failed": 1, "failures": [{"key": "a.json", "error": "…", "at": 1764000000000}]}
//! ```
//!
//! `objects` counts those whose entries are in Redis, `failed` those whose last attempt failed;
//! `failures` has the first 100 of the latter. Where something is under way that takes more than one
//! invocation, there are also
//!
//! ```json
//! {"changes": [{"plugin": "flags.wasm", "digest": "…", "began": 1764000000000, "done": 4000, "left": 96000}],
//!  "syncs": [{"prefix": "", "force": false, "verify": false, "after": "k", "failed": 0, "began": …, "at": …}]}
//! ```
//!
//! `changes`: a plugin or the manifest has changed, and Redis holds what the new one makes of `done` objects and
//! what the old one made of the others, about `left`. `syncs`: a strict sync was out of time, and the next of
//! its kind goes on after that key.
//!
//! `{"read": KEY}` answers the value as in an entries document, `null` where there is none or where
//! Redis Sync did not write it (unless `READ_ANY=true`);
//! `{"explain": KEY}` answers `{"key", "object", "etag", "version_id", "plugins", "written_at"}`,
//! `null` where Redis Sync did not write that key; where S3's event of just that state has told who put the
//! object, also `principal` and `source_ip`, and the same of each plugin.
//!
//! `{"forget": {"bucket": "NAME", "dry_run": false}}` releases what another bucket owns in this Redis, one
//! that was renamed or whose deployment is gone, and answers `{"bucket", "dry_run", "keys", "objects"}`: how
//! many Redis keys and objects it had. The keys stay as they are, and belong to nobody.

use super::answer_size::{MAX_ANSWER_BYTES, json_size};
use super::error::HandlerError;
use super::{preview, sync};
use crate::entry::{RESERVED_PREFIX, document};
use crate::event::{ForgetRequest, Operation};
use crate::ledger::{ChangeNote, Forgotten, KeptSync, Reading, Record, Start};
use crate::number::to_u64;
use crate::pipeline::Pipeline;
use crate::text::clip;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Failures that `status` lists.
const MAX_FAILURES: usize = 100;

/// Records that are looked up in one round trip.
const RECORDS_AT_ONCE: usize = 1000;

pub(super) async fn answer(
    pipeline: &Pipeline,
    operation: Operation,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    match operation {
        Operation::Sync(request) => Box::pin(sync::answer(pipeline, request, deadline)).await,
        Operation::Preview(request) => {
            Box::pin(preview::answer(pipeline, &request, deadline)).await
        }
        Operation::Read(key) => in_time(deadline, read(pipeline, &key)).await,
        Operation::Explain(key) => in_time(deadline, explain(pipeline, &key)).await,
        Operation::Forget(request) => in_time(deadline, forget(pipeline, request)).await,
        Operation::Status(_) => in_time(deadline, status(pipeline)).await,
    }
}

/// The answer, where it is there in time.
async fn in_time(
    deadline: Instant,
    answer: impl Future<Output = Result<Value, HandlerError>>,
) -> Result<Value, HandlerError> {
    let in_time = tokio::time::timeout_at(deadline.into(), answer).await;
    in_time.map_err(|_| HandlerError::Late)?
}

/// A Redis key as it is in Redis; those of the bookkeeping are not handed out.
fn data_key(pipeline: &Pipeline, key: &str) -> Result<String, HandlerError> {
    let redis_key = format!("{}{key}", pipeline.settings().redis.key_prefix);
    if redis_key.starts_with(RESERVED_PREFIX) {
        return Err(HandlerError::Reserved(clip(&redis_key).to_owned()));
    }
    Ok(redis_key)
}

/// Releases what another bucket owns.
async fn forget(pipeline: &Pipeline, request: ForgetRequest) -> Result<Value, HandlerError> {
    let ForgetRequest { bucket, dry_run } = request;
    if pipeline.ledger().is_own(&bucket) || bucket.is_empty() || bucket.contains('/') {
        return Err(HandlerError::NotForgotten(clip(&bucket).to_owned()));
    }
    let Forgotten { keys, objects } = pipeline.ledger().forget(&bucket, dry_run).await?;
    tracing::info!(bucket, dry_run, keys, objects, "bucket forgotten");
    Ok(json!({"bucket": bucket, "dry_run": dry_run, "keys": keys, "objects": objects}))
}

/// The value of a Redis key. Whoever may invoke the function sees what Redis Sync wrote, and the
/// rest of the database only with `READ_ANY`.
async fn read(pipeline: &Pipeline, key: &str) -> Result<Value, HandlerError> {
    let (ledger, redis_key) = (pipeline.ledger(), &*data_key(pipeline, key)?);
    if !pipeline.settings().read_any && ledger.explain(redis_key).await?.is_none() {
        return Ok(Value::Null);
    }
    let too_large = |bytes| HandlerError::TooLarge {
        key: clip(redis_key).to_owned(),
        bytes,
        limit: MAX_ANSWER_BYTES,
    };
    let limit = to_u64(MAX_ANSWER_BYTES);
    let value = match ledger.read(redis_key, limit).await? {
        Reading::Nothing | Reading::Other => return Ok(Value::Null),
        Reading::TooLarge(bytes) => return Err(too_large(bytes)),
        Reading::Value(value) => document::value_json(&value),
    };
    match to_u64(json_size(&value)) {
        bytes if bytes > limit => Err(too_large(bytes)),
        _ => Ok(value),
    }
}

async fn explain(pipeline: &Pipeline, key: &str) -> Result<Value, HandlerError> {
    let redis_key = data_key(pipeline, key)?;
    Ok(json!(pipeline.ledger().explain(&redis_key).await?))
}

/// The answer of `status`.
#[derive(Default, Serialize)]
struct Status {
    objects: u64,
    failed: u64,
    failures: Vec<Problem>,
    /// Plugins that have changed while not all objects have followed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeNote>,
    /// Full syncs that go on when they are asked for again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    syncs: Vec<Value>,
}

async fn status(pipeline: &Pipeline) -> Result<Value, HandlerError> {
    let ledger = pipeline.ledger();
    let progress = ledger.progress().await?;
    let mut status = Status {
        changes: progress.changes,
        syncs: progress.syncs.iter().map(sync_json).collect(),
        ..Status::default()
    };
    let mut from = Start::At(String::new());
    loop {
        let keys = ledger.indexed(&from, None, RECORDS_AT_ONCE).await?;
        let records = ledger.records(&keys).await?;
        let next = keys.last().filter(|_| keys.len() == RECORDS_AT_ONCE);
        let next = next.cloned().map(Start::After);
        for (key, record) in keys.into_iter().zip(records) {
            status.count(key, record);
        }
        match next {
            Some(next) => from = next,
            None => return Ok(json!(status)),
        }
    }
}

/// A full sync that is kept: what was asked for, and how far it is.
fn sync_json((request, kept): (&String, &KeptSync)) -> Value {
    let mut sync: Map<String, Value> = serde_json::from_str(request).unwrap_or_default();
    let KeptSync { after, chain } = kept;
    let members =
        json!({"after": after, "failed": chain.failed, "began": chain.began, "at": chain.ended});
    if let Value::Object(members) = members {
        sync.extend(members);
    }
    Value::Object(sync)
}

impl Status {
    fn count(&mut self, key: String, record: Record) {
        self.objects += u64::from(record.is_live());
        let Some(error) = record.error else {
            return;
        };
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            let at = record.error_at;
            self.failures.push(Problem { key, error, at });
        }
    }
}

/// An object whose last attempt failed.
#[derive(Serialize)]
struct Problem {
    key: String,
    error: String,
    /// Milliseconds since the Unix epoch.
    at: Option<u64>,
}
