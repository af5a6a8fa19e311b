//! SQS: `{"batchItemFailures": [{"itemIdentifier": …}]}` names the messages to deliver again. The
//! event source mapping must have `ReportBatchItemFailures`; without it SQS takes them for done.

use super::changes;
use crate::event::{Change, Message};
use crate::pipeline::Pipeline;
use crate::report::ObjectReport;
use aws_lambda_events::sqs::SqsBatchResponse;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

pub(super) async fn answer(
    pipeline: &Arc<Pipeline>,
    messages: &[Message],
    fifo: bool,
    deadline: Instant,
) -> Value {
    let failed = if fifo {
        in_order(pipeline, messages, deadline).await
    } else {
        at_once(pipeline, messages, deadline).await
    };
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.iter().map(|message| &message.id));
    json!(response)
}

/// The messages that failed, all having been tried at the same time.
async fn at_once<'a>(
    pipeline: &Arc<Pipeline>,
    messages: &'a [Message],
    deadline: Instant,
) -> Vec<&'a Message> {
    let changes = messages
        .iter()
        .flat_map(|message| &message.delivery.changes);
    let mut outcomes = changes::apply(pipeline, changes, deadline)
        .await
        .into_iter();
    let mut failed = Vec::new();
    for message in messages {
        let own: Vec<_> = outcomes
            .by_ref()
            .take(message.delivery.changes.len())
            .collect();
        if !is_done(message, &own) {
            failed.push(message);
        }
    }
    failed
}

/// The first message that failed and all after it, which are not tried: a FIFO queue delivers them
/// again in this order. Every message of the batch was sent before any was tried, so a key that was
/// brought up to date for one of them needs no second read for another.
async fn in_order<'a>(
    pipeline: &Arc<Pipeline>,
    messages: &'a [Message],
    deadline: Instant,
) -> Vec<&'a Message> {
    let mut done: HashSet<&Change> = HashSet::new();
    for (place, message) in messages.iter().enumerate() {
        let changes = &message.delivery.changes;
        let new = changes.iter().filter(|change| !done.contains(change));
        let outcomes = changes::apply(pipeline, new, deadline).await;
        if !is_done(message, &outcomes) {
            return messages.iter().skip(place).collect();
        }
        done.extend(changes);
    }
    Vec::new()
}

fn is_done(message: &Message, outcomes: &[Option<ObjectReport>]) -> bool {
    for problem in &message.delivery.problems {
        tracing::error!(message_id = message.id, error = %problem, "the message cannot be read");
    }
    message.delivery.problems.is_empty()
        && outcomes
            .iter()
            .flatten()
            .all(|report| report.failure().is_none())
}
