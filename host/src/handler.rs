//! One invocation: recognise the payload, do it, answer in the channel's form.

use crate::entry::document;
use crate::event::{self, Change, Event, EventError, Operation};
use crate::ledger::LedgerError;
use crate::pipeline::Pipeline;
use crate::report::{ObjectReport, Report};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The payload is none of ours.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Objects failed; every one was tried.
    #[error("{0}")]
    Failed(String),
    /// Redis could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl HandlerError {
    /// A name for the kind of failure, for whoever filters on it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Event(_) => "InvalidPayload",
            Self::Failed(_) => "ObjectsFailed",
            Self::Ledger(_) => "RedisUnavailable",
        }
    }
}

/// Does what `payload` asks for. Nothing new is started after `deadline`.
pub async fn handle(
    pipeline: &Arc<Pipeline>,
    payload: &str,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    match event::classify(payload)? {
        Event::Notification(changes) => notification(pipeline, changes, deadline).await,
        Event::Operation(operation) => operate(pipeline, operation).await,
        Event::Queue { .. } | Event::Batch(_) => Err(EventError::Unknown.into()),
    }
}

async fn notification(
    pipeline: &Arc<Pipeline>,
    changes: Vec<Change>,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let report = Report::new(apply(pipeline, &changes, deadline).await);
    if report.is_success() {
        Ok(json!(report))
    } else {
        Err(HandlerError::Failed(report.message))
    }
}

/// Carries out changes, each key once; a report for every change, in their order.
async fn apply(
    pipeline: &Arc<Pipeline>,
    changes: &[Change],
    deadline: Instant,
) -> Vec<ObjectReport> {
    let settings = pipeline.settings();
    let ours = |change: &&Change| {
        change
            .bucket
            .as_ref()
            .is_none_or(|bucket| *bucket == settings.bucket)
    };
    let keys: BTreeSet<&String> = changes
        .iter()
        .filter(ours)
        .map(|change| &change.key)
        .filter(|key| settings.is_config(key))
        .collect();
    let keys: Vec<String> = keys.into_iter().cloned().collect();
    let reports = pipeline.sync(keys, deadline).await;
    let by_key: HashMap<&str, &ObjectReport> = reports
        .iter()
        .map(|report| (report.key.as_str(), report))
        .collect();
    let mut seen = BTreeSet::new();
    let report = |change: &Change| match &change.bucket {
        Some(bucket) if *bucket != settings.bucket => {
            let why = format!(
                "the event is of the bucket `{bucket}`; this function serves `{}`",
                settings.bucket
            );
            Some(ObjectReport::failed(&change.key, &why))
        }
        _ => by_key
            .get(change.key.as_str())
            .map(|report| (*report).clone()),
    };
    changes
        .iter()
        .filter(|change| seen.insert((*change).clone()))
        .filter_map(report)
        .collect()
}

async fn operate(pipeline: &Arc<Pipeline>, operation: Operation) -> Result<Value, HandlerError> {
    match operation {
        Operation::Read(key) => {
            let key = format!("{}{key}", pipeline.settings().redis.key_prefix);
            let value = pipeline.ledger().read(&key).await?;
            Ok(value.map_or(Value::Null, |value| document::value_json(&value)))
        }
        Operation::Explain(key) => {
            let key = format!("{}{key}", pipeline.settings().redis.key_prefix);
            Ok(json!(pipeline.ledger().explain(&key).await?))
        }
        Operation::Sync(_) | Operation::Status(_) => Err(EventError::Unknown.into()),
    }
}
