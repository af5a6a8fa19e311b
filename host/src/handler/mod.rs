//! One invocation: recognise the payload, do it, answer in the channel's form.
//!
//! | channel | answer | module |
//! | --- | --- | --- |
//! | S3, SNS, EventBridge | the report, or an error after everything was tried | [`notification`] |
//! | SQS | the messages that failed | [`queue`] |
//! | S3 Batch Operations | a result a task | [`batch`] |
//! | a direct call | what it asked for | [`operation`] |

mod answer_size;
mod batch;
mod changes;
mod notification;
mod operation;
mod queue;

use crate::event::{self, Event, EventError};
use crate::ledger::LedgerError;
use crate::pipeline::Pipeline;
use serde_json::Value;
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
    /// What was asked for does not fit into an answer.
    #[error(
        "the value of `{key}` is {bytes} bytes as JSON, more than the {limit} that an answer may have: read it from Redis itself"
    )]
    TooLarge {
        /// The Redis key.
        key: String,
        /// Size of its value.
        bytes: u64,
        /// The most that an answer has.
        limit: usize,
    },
    /// A key of the bookkeeping was asked for.
    #[error(
        "`{0}` is a key of the bookkeeping: those that begin with `redis-sync:` are not handed out"
    )]
    Reserved(String),
    /// The answer would have come too late.
    #[error("not finished: the invocation's time is nearly over")]
    Late,
}

impl HandlerError {
    /// A name for the kind of failure, for whoever filters on it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Event(_) => "InvalidPayload",
            Self::Failed(_) => "ObjectsFailed",
            Self::Ledger(_) => "RedisUnavailable",
            Self::TooLarge { .. } => "AnswerTooLarge",
            Self::Reserved(_) => "InvalidPayload",
            Self::Late => "OutOfTime",
        }
    }
}

/// Does what `payload` asks for. Nothing new is started after `deadline`, and the answer is there
/// soon after it.
pub async fn handle(
    pipeline: &Pipeline,
    payload: &str,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let started = Instant::now();
    let answer = answer(pipeline, payload, deadline).await;
    pipeline.metrics().write(started.elapsed(), answer.is_err());
    answer
}

async fn answer(
    pipeline: &Pipeline,
    payload: &str,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    match event::classify(payload)? {
        Event::Notification(delivery) => notification::answer(pipeline, &delivery, deadline).await,
        Event::Queue { messages, fifo } => {
            Ok(queue::answer(pipeline, &messages, fifo, deadline).await)
        }
        Event::Batch(job) => Ok(batch::answer(pipeline, job, deadline).await),
        Event::Operation(operation) => operation::answer(pipeline, operation, deadline).await,
    }
}
