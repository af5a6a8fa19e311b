//! S3 Batch Operations: a result a task.
//!
//! Whether a failure is `TemporaryFailure`, which S3 tries again before the job ends, or
//! `PermanentFailure` is decided by one rule: what a repetition may mend is temporary
//! ([`ObjectReport::temporary`]). An object that is not in the bucket is no failure: its entries
//! are removed, and that is what was asked for.

use super::answer_size::{MAX_ANSWER_BYTES, json_size};
use super::changes::{self, Outcomes, Sender};
use crate::event::{BatchJob, BatchTask, Change};
use crate::pipeline::Pipeline;
use crate::report::{ObjectReport, Outcome};
use crate::text::clip_to;
use aws_lambda_events::s3::batch_job::{S3BatchJobResponse, S3BatchJobResult};
use serde_json::{Value, json};
use std::time::Instant;

/// Bytes of a result that go into the job's completion report.
const MAX_RESULT_BYTES: usize = 1000;

/// Bytes of a result besides its identifier and its text.
const RESULT_FORM_BYTES: usize = 80;

pub(super) async fn answer(pipeline: &Pipeline, job: BatchJob, deadline: Instant) -> Value {
    let readable = job
        .tasks
        .iter()
        .filter_map(|task| task.change.as_ref().ok());
    let (task, none) = (Sender::Job.as_is(), &[]);
    let outcomes = changes::apply(pipeline, readable, none, task, deadline).await;
    let others = job
        .tasks
        .iter()
        .filter_map(|task| other_key(task, &outcomes));
    let of_others = changes::apply(pipeline, others, none, task, deadline).await;
    let verdicts: Vec<(&str, &str, &str)> = job
        .tasks
        .iter()
        .map(|task| {
            let outcome = match (&task.change, other_key(task, &outcomes)) {
                (Err(problem), _) => {
                    return (task.id.as_str(), "PermanentFailure", problem.as_str());
                }
                (Ok(_), Some(other)) => of_others.of(other),
                (Ok(change), None) => outcomes.of(change),
            };
            let (code, text) = outcome.map_or(("Succeeded", "not a config object"), verdict);
            (task.id.as_str(), code, text)
        })
        .collect();
    let room = room_for_texts(&verdicts);
    let results = verdicts
        .iter()
        .map(|(task, code, text)| result(task, code, clip_to(text, room)));
    let mut response = S3BatchJobResponse::default();
    response.results = results.collect();
    response.invocation_schema_version = Some(job.schema_version);
    response.invocation_id = Some(job.invocation_id);
    response.treat_missing_keys_as = Some("PermanentFailure".to_owned());
    json!(response)
}

/// The other key that a task may mean, where there is no object of the first.
fn other_key<'a>(task: &'a BatchTask, outcomes: &Outcomes) -> Option<&'a Change> {
    let report = outcomes.of(task.change.as_ref().ok()?)?;
    let gone = report.outcome == Outcome::Deleted;
    task.with_spaces.as_ref().filter(|_| gone)
}

/// Bytes of each result's text: fewer where there are so many tasks that the answer would not fit.
fn room_for_texts(verdicts: &[(&str, &str, &str)]) -> usize {
    let ids: usize = verdicts.iter().map(|(task, ..)| json_size(task)).sum();
    let forms = verdicts.len().saturating_mul(RESULT_FORM_BYTES);
    let left = MAX_ANSWER_BYTES.saturating_sub(ids + forms);
    // A byte of text takes up to six as JSON.
    MAX_RESULT_BYTES.min(left / 6 / verdicts.len().max(1))
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
    result.result_string = Some(text.to_owned());
    result
}
