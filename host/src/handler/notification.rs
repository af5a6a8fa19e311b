//! S3, SNS and EventBridge: Lambda delivers the event again when it gets an error.

use super::answer_size::cut;
use super::changes::{self, Sender};
use super::error::HandlerError;
use crate::event::Delivery;
use crate::pipeline::Pipeline;
use crate::report::Report;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

pub(super) async fn answer(
    pipeline: &Pipeline,
    delivery: &Delivery,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let (changes, origins) = (&delivery.changes, &delivery.origins);
    let task = Sender::S3.as_is();
    let outcomes = changes::apply(pipeline, changes, origins, task, deadline).await;
    let mut seen = BTreeSet::new();
    let objects = delivery
        .changes
        .iter()
        .filter(|change| seen.insert(*change))
        .filter_map(|change| outcomes.of(change).cloned());
    let report = Report::new(objects.collect());
    let mut failures: Vec<String> = delivery.problems.lines().collect();
    for problem in &failures {
        tracing::error!(error = problem, "a part of the event cannot be read");
    }
    if !report.is_success() {
        failures.push(report.message.clone());
    }
    if failures.is_empty() {
        Ok(json!(cut(report)))
    } else {
        Err(HandlerError::Failed(failures.join("; ")))
    }
}
