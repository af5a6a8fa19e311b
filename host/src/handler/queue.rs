//! SQS: `{"batchItemFailures": [{"itemIdentifier": …}]}` names the messages to deliver again. The
//! event source mapping must have `ReportBatchItemFailures`; without it SQS takes them for done.

use super::changes::{self, Sender, Task};
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
    let (placed, mut failed): (Vec<&Message>, Vec<&Message>) = messages
        .iter()
        .partition(|message| is_in_place(pipeline, message));
    let (syncs, placed): (Vec<&Message>, Vec<&Message>) = placed
        .into_iter()
        .partition(|message| message.sync.is_some());
    let mut shares = syncs.len() + usize::from(!placed.is_empty());
    for message in syncs {
        let now = Instant::now();
        // A sync may take all the time that it is given: what else is in the batch has its share.
        let share = deadline.saturating_duration_since(now) / u32::try_from(shares).unwrap_or(1);
        if !is_synced(pipeline, message, now + share).await {
            failed.push(message);
        }
        shares -= 1;
    }
    for task in TASKS {
        let messages = placed.iter().copied();
        let messages: Vec<&Message> = messages
            .filter(|message| task_of(message) == task)
            .collect();
        let changes: Vec<&Change> = messages
            .iter()
            .flat_map(|message| &message.delivery.changes)
            .collect();
        let origins: Vec<&Origin> = messages
            .iter()
            .flat_map(|message| &message.delivery.origins)
            .collect();
        let outcomes = changes::apply(pipeline, changes, origins, task, deadline).await;
        for message in messages {
            let changes = message.delivery.changes.iter();
            if !is_readable(message) || !outcomes.are_done(changes) {
                failed.push(message);
            }
        }
    }
    failed
}

/// What messages may ask for, each kind of them being tried by itself.
const TASKS: [Task; 3] = [
    task(false, Rerun::IfChanged),
    task(true, Rerun::IfChanged),
    task(true, Rerun::Always),
];

const fn task(is_work: bool, rerun: Rerun) -> Task {
    let sender = if is_work {
        Sender::Function
    } else {
        Sender::S3
    };
    Task { sender, rerun }
}

fn task_of(message: &Message) -> Task {
    let rerun = if message.force && message.is_work {
        Rerun::Always
    } else {
        Rerun::IfChanged
    };
    task(message.is_work, rerun)
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
        let (origins, task) = (&message.delivery.origins, task_of(message));
        if !is_in_place(pipeline, message) {
            return messages.iter().skip(place).collect();
        }
        let outcomes = changes::apply(pipeline, new, origins, task, deadline).await;
        // What was done for an earlier message has no outcome here, and needs none.
        let is_done = is_readable(message) && outcomes.are_done(changes.iter());
        if !is_done || !is_synced(pipeline, message, deadline).await {
            return messages.iter().skip(place).collect();
        }
        done.extend(changes);
    }
    Vec::new()
}

/// Whether a message is where it belongs. What failed must not come to the function's own queue: it would be
/// tried for ever, and in the way of the work there.
fn is_in_place(pipeline: &Pipeline, message: &Message) -> bool {
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
    true
}

/// Whether all of a message can be read.
fn is_readable(message: &Message) -> bool {
    for problem in message.delivery.problems.lines() {
        tracing::error!(
            message_id = message.id,
            error = problem,
            "the message cannot be read"
        );
    }
    message.delivery.problems.is_empty()
}
