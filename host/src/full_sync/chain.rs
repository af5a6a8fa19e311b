//! Syncs that take several invocations: what one part tells the next.

use super::Summary;
use super::objects::before;
use crate::event::{Chain, SyncRequest};
use crate::ledger::{ScanPlace, milliseconds_now};
use crate::queue::Queue;
use std::time::Instant;

/// Parts of one sync, at the most, of those that it sends itself: a billion objects take a thousand. Lambda's own guard
/// against endless chains is off, so that this is the only one.
const MAX_PARTS: u32 = 10_000;

impl Chain {
    /// Of a sync that begins now.
    pub fn begin(request: &SyncRequest) -> Self {
        let now = milliseconds_now();
        Self {
            whole: request.is_of_everything(),
            began: now,
            ended: now,
            ..Self::default()
        }
    }

    /// The same after one more part.
    #[must_use]
    pub fn and(&self, summary: &Summary) -> Self {
        Self {
            ended: milliseconds_now(),
            parts: self.parts.saturating_add(1),
            failed: self.failed + summary.failed(),
            search: summary
                .search
                .as_ref()
                .and_then(|place| serde_json::to_string(place).ok()),
            ..self.clone()
        }
    }

    /// Where the search for stray keys goes on.
    pub fn place(&self) -> Option<ScanPlace> {
        let search = self.search.as_deref();
        search.and_then(|place| serde_json::from_str(place).ok())
    }
}

/// Sends the rest of a sync to the queue: whether that was possible, and the sync is done with here. It is only where
/// there is a place from which it gets on: otherwise it would send itself for ever.
pub(crate) async fn send_rest(
    queue: &Queue,
    request: &SyncRequest,
    chain: &Chain,
    summary: &Summary,
    end: Instant,
) -> bool {
    if !summary.has_got_on(request) || chain.parts >= MAX_PARTS {
        return false;
    }
    let rest = SyncRequest {
        after: summary.place(request).to_owned(),
        chain: Some(chain.and(summary)),
        ..request.clone()
    };
    let sent = before(end, queue.send_sync(&rest)).await;
    let sent = sent.inspect_err(|error| {
        tracing::error!(error, "the rest of the sync is not in the queue");
    });
    sent.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_adds_to_what_is_told_of_those_before() {
        let mut summary = Summary::default();
        summary.left_out = 2;
        let first = Chain::begin(&SyncRequest::default());
        let second = first.and(&summary).and(&summary);
        assert_eq!(
            (second.parts, second.failed, second.began),
            (2, 4, first.began)
        );
        assert!(second.whole && second.place().is_none());
    }
}
