//! SQS: `{"batchItemFailures": [{"itemIdentifier": …}]}` names the messages to deliver again. The
//! event source mapping must have `ReportBatchItemFailures`; without it SQS takes them for done.

use super::changes::{self, Origin, Outcomes};
use super::sync;
use crate::event::{Change, Message};
use crate::pipeline::Pipeline;
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
    let changes = |origin| {
        let messages = messages
            .iter()
            .filter(move |message| origin_of(message) == origin);
        messages.flat_map(|message| &message.delivery.changes)
    };
    let (events, work) = (Origin::Event, Origin::Work);
    let of_events = changes::apply(pipeline, changes(events), events, deadline).await;
    let of_work = changes::apply(pipeline, changes(work), work, deadline).await;
    let mut failed = Vec::new();
    for message in messages {
        let outcomes = match origin_of(message) {
            Origin::Work => &of_work,
            Origin::Event | Origin::Job => &of_events,
        };
        if !is_done(message, outcomes) || !is_synced(pipeline, message, deadline).await {
            failed.push(message);
        }
    }
    failed
}

fn origin_of(message: &Message) -> Origin {
    match message.is_work {
        true => Origin::Work,
        false => Origin::Event,
    }
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
        let new = changes.iter().filter(|change| !done.contains(change));
        let outcomes = changes::apply(pipeline, new, origin_of(message), deadline).await;
        // What was done for an earlier message has no outcome here, and needs none.
        if !is_done(message, &outcomes) || !is_synced(pipeline, message, deadline).await {
            return messages.iter().skip(place).collect();
        }
        done.extend(changes);
    }
    Vec::new()
}

fn is_done(message: &Message, outcomes: &Outcomes) -> bool {
    for problem in message.delivery.problems.lines() {
        tracing::error!(
            message_id = message.id,
            error = problem,
            "the message cannot be read"
        );
    }
    message.delivery.problems.is_empty() && outcomes.are_done(message.delivery.changes.iter())
}
