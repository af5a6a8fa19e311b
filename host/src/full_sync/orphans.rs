//! Removing orphans: Redis keys that their object does not yield any more, though no record says so.
//!
//! Where Redis has evicted an object's record, its next commit does not know which keys it had; where
//! it has evicted the index, nobody misses an object that is gone. Each key still says which object
//! owns it, so all of them are gone through, after every object was given a record again.
//!
//! A key whose owner and whose object's record were both lost between two syncs is like any that
//! somebody else has written: it stays.

use super::mode::Mode;
use super::objects::{FullSync, Stop, before};
use super::up_to_date;
use crate::ledger::OrphanCandidates;
use crate::pipeline::{ChangeError, Rerun};

/// Goes through all keys that objects of the span own.
pub(super) async fn remove(sync: &mut FullSync<'_>) -> Result<(), Stop> {
    let ledger = sync.pipeline.ledger();
    let mut scan = ledger.scan_owners();
    loop {
        let found = before(sync.deadline, ledger.next_candidates(&mut scan)).await?;
        let Some(mut found) = found else {
            return Ok(());
        };
        found.retain(|candidates| sync.span.has(&candidates.object));
        let lost = found.iter().filter(|candidates| candidates.is_lost);
        let lost: Vec<String> = lost.map(|candidates| candidates.object.clone()).collect();
        sync_lost(sync, lost).await?;
        for candidates in found.iter().filter(|candidates| candidates.has_keys()) {
            let removed = before(sync.deadline, remove_of(sync, candidates)).await?;
            sync.summary.orphans += removed;
        }
    }
}

/// Handles objects that have fallen out of the index.
async fn sync_lost(sync: &mut FullSync<'_>, lost: Vec<String>) -> Result<(), Stop> {
    if lost.is_empty() {
        return Ok(());
    }
    if let Mode::Write(_, by) = sync.mode {
        return sync.write(lost, Rerun::IfChanged, by).await;
    }
    let candidates = before(sync.deadline, up_to_date::missing(sync.pipeline, lost)).await?;
    sync.preview(candidates).await
}

/// How many of these keys were orphans; they are removed unless this is a preview.
async fn remove_of(sync: &FullSync<'_>, candidates: &OrphanCandidates) -> Result<u64, ChangeError> {
    let ledger = sync.pipeline.ledger();
    let orphans = ledger.orphans(candidates).await?;
    Ok(match sync.mode {
        Mode::Preview(_) => orphans.count(),
        Mode::Write(..) => ledger.remove_orphans(&orphans).await?,
    })
}
