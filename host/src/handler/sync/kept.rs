//! What is noted in Redis of a sync: where it goes on, and that what had changed before it is carried out.

use super::next::Next;
use crate::event::SyncRequest;
use crate::full_sync::{Summary, before};
use crate::ledger::{KeptSync, LedgerError};
use crate::pipeline::Pipeline;
use std::time::Instant;

/// Where a strict sync goes on that did not get to its end the last time; it is told to.
pub(super) async fn take(pipeline: &Pipeline, request: &mut SyncRequest) -> KeptSync {
    match pipeline.ledger().kept_sync(&request.name()).await {
        Ok(Some(kept)) => {
            request.after.clone_from(&kept.after);
            request.failed_before = Some(kept.failed);
            tracing::info!(after = kept.after, "a sync that was out of time goes on");
            return kept;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = %error, "where a sync goes on cannot be read: it begins at the front");
        }
    }
    KeptSync::begin()
}

/// Notes where a strict sync goes on, or that it is over.
pub(super) async fn keep(
    pipeline: &Pipeline,
    request: &SyncRequest,
    kept: &KeptSync,
    summary: &Summary,
    next: &Next,
    end: Instant,
) {
    let note = match next {
        Next::End | Next::Continued if kept.after.is_empty() => return,
        Next::End | Next::Continued => None,
        Next::From { after, .. } if after.is_empty() => return,
        Next::From { after, .. } => Some(KeptSync {
            after: after.clone(),
            failed: kept.failed + summary.failed(),
            ..kept.clone()
        }),
    };
    let name = request.name();
    let kept = pipeline.ledger().keep_sync(&name, note.as_ref());
    if let Err(error) = before(end, kept).await {
        tracing::warn!(error, "where the sync goes on cannot be noted");
    }
}

/// A sync of everything has come to its end: what had changed before it began is carried out.
pub(super) async fn changes_are_done(pipeline: &Pipeline, began: u64, end: Instant) {
    let ledger = pipeline.ledger();
    let done = async {
        for change in ledger.progress().await?.changes {
            if change.began < began {
                ledger.end_change(&change.plugin).await?;
            }
        }
        Ok::<(), LedgerError>(())
    };
    if let Err(error) = before(end, done).await {
        tracing::warn!(
            error,
            "changes that are carried out cannot be noted as such"
        );
    }
}
