//! Syncs that take several invocations: what one part tells the next.

use super::Summary;
use super::objects::before;
use crate::event::{Chain, SyncRequest};
use crate::ledger::{ScanPlace, milliseconds_now};
use crate::queue::Queue;
use crate::report::Outcome;
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
            failed: self.failed.saturating_add(summary.count(Outcome::Failed)),
            put_off: summary.puts_off(self),
            last: self.last || summary.turns_to_last(),
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
    use crate::report::ObjectReport;

    #[test]
    fn a_part_adds_to_what_is_told_of_those_before() {
        let mut summary = Summary::default();
        summary.add(ObjectReport::failed("k", "broken"));
        let first = Chain::begin(&SyncRequest::default());
        let second = first.and(&summary).and(&summary);
        assert_eq!(
            (second.parts, second.failed, second.began),
            (2, 2, first.began)
        );
        assert!(second.whole && second.place().is_none());
        let most = Chain {
            failed: u64::MAX,
            ..first
        };
        assert_eq!(most.and(&summary).failed, u64::MAX);
    }

    /// Kills: objects that are put off and never tried, or tried in turn with all others for ever.
    #[test]
    fn what_was_put_off_in_any_part_is_tried_when_all_others_are_done() {
        let first = Chain::begin(&SyncRequest::default());
        let part = |put_off, is_over| {
            let mut summary = Summary::default();
            summary.put_off = put_off;
            match is_over {
                true => summary.end_pass(&first),
                false => summary.stopped = Some("out of time".to_owned()),
            }
            summary
        };
        let second = first.and(&part(2, false));
        assert!(second.put_off && !second.last);
        let third = second.and(&part(0, false));
        assert!(third.put_off && !third.last);
        let mut end = Summary::default();
        end.end_pass(&third);
        assert!(end.stopped.is_some() && end.has_got_on(&SyncRequest::default()));
        let last = third.and(&end);
        assert!(last.last && !last.put_off);
        let mut end = Summary::default();
        end.end_pass(&last);
        assert!(end.stopped.is_none());
        let alone = part(0, true);
        assert!(alone.stopped.is_none() && !first.and(&alone).last);
    }
}
