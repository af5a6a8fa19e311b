//! What is noted in Redis of a sync: where it goes on, and that what had changed before it is carried out.

use super::next::Next;
use crate::event::SyncRequest;
use crate::full_sync::before;
use crate::ledger::{KeptSync, LedgerError};
use crate::pipeline::Pipeline;
use std::time::{Duration, Instant};

/// How long it is looked up where a sync goes on: without that it begins at the front.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a strict sync goes on that did not get to its end the last time; it is told to. Whether there is one.
pub(super) async fn take(
    pipeline: &Pipeline,
    request: &mut SyncRequest,
    deadline: Instant,
) -> bool {
    let name = request.name();
    let kept = pipeline.ledger().kept_sync(&name);
    match before(deadline.min(Instant::now() + PATIENCE), kept).await {
        Ok(Some(kept)) => {
            tracing::info!(after = kept.after, "a sync that was out of time goes on");
            request.after = kept.after;
            request.chain = Some(kept.chain);
            true
        }
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(
                error,
                "where a sync goes on cannot be read: it begins at the front"
            );
            false
        }
    }
}

/// Notes where a strict sync goes on, or that it is over, where there `was` a note. The place, if it is noted.
pub(super) async fn keep<'a>(
    pipeline: &Pipeline,
    request: &SyncRequest,
    was: bool,
    next: &'a Next,
    end: Instant,
) -> Option<&'a str> {
    let note = match next {
        Next::End | Next::Continued if !was => return None,
        Next::End | Next::Continued => None,
        // It begins at the front in any case.
        Next::From { after, chain, .. } if after.is_empty() && !chain.last => return None,
        Next::From { after, chain, .. } => Some(KeptSync {
            after: after.clone(),
            chain: chain.clone(),
        }),
    };
    let name = request.name();
    let kept = pipeline.ledger().keep_sync(&name, note.as_ref());
    match before(end, kept).await {
        Ok(()) => match next {
            Next::From { after, .. } => Some(after),
            Next::End | Next::Continued => None,
        },
        Err(error) => {
            tracing::warn!(error, "where the sync goes on cannot be noted");
            None
        }
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
