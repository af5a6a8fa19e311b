//! Why an invocation failed.

use crate::event::EventError;
use crate::ledger::LedgerError;
use crate::pipeline::ChangeError;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The payload is none of ours.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Objects failed; every one was tried.
    #[error("{0}")]
    Failed(String),
    /// What had failed before and was sent again.
    #[error("the event had failed before, was sent again, and has failed again: {0}")]
    FailedAgain(String),
    /// A strict sync in which something failed, or which did not reach the end.
    #[error("the sync is not complete: {0}")]
    Incomplete(String),
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
    /// A bucket that cannot be forgotten.
    #[error(
        "`{0}` is not another bucket: what is forgotten is what a bucket owned that is not this function's"
    )]
    NotForgotten(String),
    /// What is to be previewed is not said in a way that can be understood.
    #[error("{0}")]
    NotPreviewed(String),
    /// The candidate is refused, or what a preview needs cannot be read.
    #[error(transparent)]
    Preview(#[from] ChangeError),
    /// The answer would have come too late.
    #[error("not finished: the invocation's time is nearly over")]
    Late,
}

impl HandlerError {
    /// Whether the log has it already, object by object.
    pub(super) fn is_told(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// A name for the kind of failure, for whoever filters on it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Event(_) => "InvalidPayload",
            Self::Failed(_) => "ObjectsFailed",
            Self::FailedAgain(_) => "FailedAgain",
            Self::Incomplete(_) => "SyncIncomplete",
            Self::Ledger(LedgerError::Unavailable { .. }) => "RedisUnavailable",
            Self::Ledger(_) => "RedisRefuses",
            Self::TooLarge { .. } => "AnswerTooLarge",
            Self::Reserved(_) | Self::NotForgotten(_) | Self::NotPreviewed(_) => "InvalidPayload",
            Self::Preview(_) => "PreviewFailed",
            Self::Late => "OutOfTime",
        }
    }
}
