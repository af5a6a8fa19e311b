//! What comes after a full sync that is over, for now.

use crate::event::SyncRequest;
use crate::full_sync::{Summary, before};
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
        /// Whether this one got anywhere.
        got_on: bool,
    },
}

impl Next {
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }

    /// Where it goes on. The rest is sent to the queue, where there is one, only where it has got on at all: otherwise
    /// it would do that for ever.
    pub(super) async fn of(
        summary: &mut Summary,
        request: &SyncRequest,
        queue: Option<&Queue>,
        end: Instant,
    ) -> Self {
        if summary.stopped.is_none() {
            return Self::End;
        }
        let got_on = summary.has_got_on(&request.after);
        let reached = summary.reached.clone();
        let after = reached.unwrap_or_else(|| request.after.clone());
        if let Some(queue) = queue.filter(|_| got_on) {
            let failed = request.failed_before.unwrap_or(0) + summary.failed();
            let rest = SyncRequest {
                after: after.clone(),
                failed_before: request.is_of_everything().then_some(failed),
                ..request.clone()
            };
            match before(end, queue.send_sync(&rest)).await {
                Ok(()) => {
                    summary.stopped = None;
                    return Self::Continued;
                }
                Err(error) => tracing::error!(error, "the rest of the sync is not in the queue"),
            }
        }
        Self::From { after, got_on }
    }
}
