//! What comes after a full sync that is over, for now.

use crate::event::{Chain, SyncRequest};
use crate::full_sync::{Summary, send_rest};
use crate::queue::Queue;
use std::time::Instant;

/// What comes after it.
pub(super) enum Next {
    /// Nothing: it has reached the end.
    End,
    /// The rest, which is a message in the queue.
    Continued,
    /// The rest, after this key; all of it where that is empty.
    From {
        after: String,
        /// What the next part is told.
        chain: Chain,
        /// Whether this one got anywhere.
        got_on: bool,
    },
}

impl Next {
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }

    /// Where it goes on. The rest is sent to the queue, where there is one.
    pub(super) async fn of(
        summary: &mut Summary,
        request: &SyncRequest,
        chain: &Chain,
        queue: Option<&Queue>,
        end: Instant,
    ) -> Self {
        if summary.stopped.is_none() {
            return Self::End;
        }
        if let Some(queue) = queue
            && send_rest(queue, request, chain, summary, end).await
        {
            summary.stopped = None;
            return Self::Continued;
        }
        Self::From {
            after: summary.place(request).to_owned(),
            chain: chain.and(summary),
            got_on: summary.has_got_on(request),
        }
    }
}
