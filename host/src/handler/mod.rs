//! One invocation: recognise the payload, do it, answer in the channel's form.
//!
//! | channel | answer | module |
//! | --- | --- | --- |
//! | S3, SNS, EventBridge | the report, or an error after everything was tried | [`notification`] |
//! | SQS | the messages that failed | [`queue`] |
//! | S3 Batch Operations | a result a task | [`batch`] |
//! | a direct call, a schedule | what it asked for | [`operation`], [`sync`], [`preview`](mod@preview) |

mod answer_size;
mod batch;
mod changes;
mod error;
mod notification;
mod operation;
mod preview;
mod queue;
mod sync;

pub use changes::sync_changed;
pub use error::HandlerError;
pub use preview::preview;

use crate::event::{self, Event};
use crate::invocation::Invocation;
use crate::pipeline::Pipeline;
use crate::text::clip;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Does what `payload` asks for, as the work of an invocation. Nothing new is started after `deadline`,
/// and the answer is there soon after it. An error is told here, once.
pub async fn handle(
    pipeline: &Pipeline,
    invocation: Invocation,
    payload: &str,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let (started, invocation) = (Instant::now(), Arc::new(invocation));
    let work = async {
        let answer = answer(pipeline, payload, deadline).await;
        if let Err(error) = &answer {
            let why = (!error.is_told()).then(|| error.to_string());
            tracing::error!(error_type = error.name(), error = why, "invocation failed");
        }
        answer
    };
    let answer = Arc::clone(&invocation).scope(work).await;
    pipeline.end(&invocation, started.elapsed(), answer.is_err());
    answer
}

/// The same as the work of no invocation, for callers that are no function.
pub async fn answer(
    pipeline: &Pipeline,
    payload: &str,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    // Erased: otherwise whoever awaits this has in its own type everything that may be done for a payload.
    let work: BoxFuture<'_, Result<Value, HandlerError>> = match event::classify(payload)? {
        Event::Notification(delivery) => {
            async move { notification::answer(pipeline, &delivery, deadline).await }.boxed()
        }
        Event::Queue { messages, fifo } => {
            async move { Ok(queue::answer(pipeline, &messages, fifo, deadline).await) }.boxed()
        }
        Event::Batch(job) => {
            async move { Ok(batch::answer(pipeline, job, deadline).await) }.boxed()
        }
        Event::Operation(operation) => operation::answer(pipeline, operation, deadline).boxed(),
    };
    let answer = work.await?;
    match event::is_sent_again(payload) {
        true => heard(answer),
        false => Ok(answer),
    }
}

/// The answer to what was sent again: nobody reads it, be it an asynchronous call or a destination of one.
fn heard(answer: Value) -> Result<Value, HandlerError> {
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let results = answer["results"].as_array();
    let has_failed = answer["status"] == "error"
        || !is_empty(&answer["batchItemFailures"])
        || results
            .is_some_and(|results| results.iter().any(|one| one["resultCode"] != "Succeeded"));
    match has_failed {
        true => Err(HandlerError::FailedAgain(
            clip(&answer.to_string()).to_owned(),
        )),
        false => Ok(answer),
    }
}
