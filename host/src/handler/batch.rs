//! S3 Batch Operations: a result a task.
//!
//! Whether a failure is `TemporaryFailure`, which S3 tries again before the job ends, or
//! `PermanentFailure` is decided by one rule: what a repetition may mend is temporary
//! ([`ObjectReport::temporary`]). An object that is not in the bucket is no failure: its entries
//! are removed, and that is what was asked for.

use super::changes;
use crate::event::{BatchJob, BatchTask, Change};
use crate::pipeline::Pipeline;
use crate::report::{ObjectReport, Outcome};
use aws_lambda_events::s3::batch_job::{S3BatchJobResponse, S3BatchJobResult};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a result that go into the job's completion report.
const MAX_RESULT_BYTES: usize = 1000;

pub(super) async fn answer(pipeline: &Arc<Pipeline>, job: BatchJob, deadline: Instant) -> Value {
    let outcomes = synced(pipeline, &job.tasks, deadline).await;
    let results = job.tasks.iter().zip(outcomes).map(|(task, outcome)| {
        let (code, text) = match (&task.change, &outcome) {
            (Err(problem), _) => ("PermanentFailure", problem.as_str()),
            (Ok(_), Some(report)) => verdict(report),
            (Ok(_), None) => ("Succeeded", "not a config object"),
        };
        result(&task.id, code, text)
    });
    let mut response = S3BatchJobResponse::default();
    response.results = results.collect();
    response.invocation_schema_version = Some(job.schema_version);
    response.invocation_id = Some(job.invocation_id);
    response.treat_missing_keys_as = Some("PermanentFailure".to_owned());
    json!(response)
}

/// What became of the tasks' objects. Where a task's key names no object, the other key that it may
/// mean is tried.
async fn synced(
    pipeline: &Arc<Pipeline>,
    tasks: &[BatchTask],
    deadline: Instant,
) -> Vec<Option<ObjectReport>> {
    let readable = tasks.iter().filter_map(|task| task.change.as_ref().ok());
    let mut first = changes::apply(pipeline, readable, deadline)
        .await
        .into_iter();
    let mut outcomes: Vec<Option<ObjectReport>> = tasks
        .iter()
        .map(|task| {
            task.change
                .as_ref()
                .ok()
                .and_then(|_| first.next().flatten())
        })
        .collect();
    let other = |(task, outcome): (&BatchTask, &Option<ObjectReport>)| -> Option<Change> {
        let gone = outcome.as_ref()?.outcome == Outcome::Deleted;
        task.with_spaces.clone().filter(|_| gone)
    };
    let others: Vec<Option<Change>> = tasks.iter().zip(&outcomes).map(other).collect();
    let mut second = changes::apply(pipeline, others.iter().flatten(), deadline)
        .await
        .into_iter();
    for (outcome, _) in outcomes
        .iter_mut()
        .zip(&others)
        .filter(|(_, other)| other.is_some())
    {
        *outcome = second.next().flatten();
    }
    outcomes
}

fn verdict(report: &ObjectReport) -> (&'static str, &str) {
    match report.failure() {
        None => ("Succeeded", report.outcome.name()),
        Some(why) if report.temporary => ("TemporaryFailure", why),
        Some(why) => ("PermanentFailure", why),
    }
}

fn result(task: &str, code: &str, text: &str) -> S3BatchJobResult {
    let mut result = S3BatchJobResult::default();
    result.task_id = Some(task.to_owned());
    result.result_code = Some(code.to_owned());
    result.result_string = Some(text[..text.floor_char_boundary(MAX_RESULT_BYTES)].to_owned());
    result
}
