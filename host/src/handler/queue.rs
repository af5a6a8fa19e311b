//! SQS: `{"batchItemFailures": [{"itemIdentifier": …}]}` names the messages to deliver again. The
//! event source mapping must have `ReportBatchItemFailures`; without it SQS takes them for done.

use super::changes;
use super::sync;
use crate::event::{Change, Message, Origin};
use crate::pipeline::{Pipeline, Rerun};
use aws_lambda_events::sqs::SqsBatchResponse;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Instant;

pub(super) async fn answer(
    pipeline: &Pipeline,
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
    pipeline: &Pipeline,
    messages: &'a [Message],
    deadline: Instant,
) -> Vec<&'a Message> {
    let (readable, mut failed): (Vec<&Message>, Vec<&Message>) = messages
        .iter()
        .partition(|message| is_readable(pipeline, message));
    for force in [false, true] {
        let messages = readable.iter().copied();
        let messages: Vec<&Message> = messages.filter(|message| message.force == force).collect();
        let changes: Vec<&Change> = messages
            .iter()
            .flat_map(|message| &message.delivery.changes)
            .collect();
        let origins: Vec<&Origin> = messages
            .iter()
            .flat_map(|message| &message.delivery.origins)
            .collect();
        let rerun = rerun(force);
        let outcomes = changes::apply(pipeline, changes, origins, rerun, deadline).await;
        for message in messages {
            let done = outcomes.are_done(message.delivery.changes.iter());
            if !done || !is_synced(pipeline, message, deadline).await {
                failed.push(message);
            }
        }
    }
    failed
}

/// Whether the full sync that a message asks for has been done, if it does.
async fn is_synced(pipeline: &Pipeline, message: &Message, deadline: Instant) -> bool {
    match &message.sync {
        Some(request) => sync::from_queue(pipeline, request, deadline).await,
        None => true,
    }
}

/// The first message that failed and all after it, which are not tried: a FIFO queue delivers them
/// again in this order. Every message of the batch was sent before any was tried, so a key that was
/// brought up to date for one of them needs no second read for another.
async fn in_order<'a>(
    pipeline: &Pipeline,
    messages: &'a [Message],
    deadline: Instant,
) -> Vec<&'a Message> {
    let mut done: HashSet<&Change> = HashSet::new();
    for (place, message) in messages.iter().enumerate() {
        let changes = &message.delivery.changes;
        let new = changes
            .iter()
            .filter(|change| message.force || !done.contains(change));
        let (origins, rerun) = (&message.delivery.origins, rerun(message.force));
        let outcomes = changes::apply(pipeline, new, origins, rerun, deadline).await;
        // What was done for an earlier message has no outcome here, and needs none.
        let is_done = is_readable(pipeline, message) && outcomes.are_done(changes.iter());
        if !is_done || !is_synced(pipeline, message, deadline).await {
            return messages.iter().skip(place).collect();
        }
        done.extend(changes);
    }
    Vec::new()
}

fn rerun(force: bool) -> Rerun {
    if force {
        Rerun::Always
    } else {
        Rerun::IfChanged
    }
}

/// Whether a message can be read, and is where it belongs. What failed must not come to the function's own
/// queue: it would be tried for ever, and in the way of the work there.
fn is_readable(pipeline: &Pipeline, message: &Message) -> bool {
    for problem in message.delivery.problems.lines() {
        tracing::error!(
            message_id = message.id,
            error = problem,
            "the message cannot be read"
        );
    }
    let own = pipeline.settings().sync_queue_url.as_deref();
    let is_of_own = own.is_some_and(|url| url.ends_with(&format!("/{}", message.queue)));
    if message.has_failed && is_of_own {
        tracing::error!(
            message_id = message.id,
            queue = message.queue,
            "the message is a failed event, in the queue of SYNC_QUEUE_URL: failed events need a queue of their own"
        );
        return false;
    }
    message.delivery.problems.is_empty()
}
