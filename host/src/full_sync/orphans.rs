//! Removing orphans: Redis keys that their object does not yield any more, though no record says so.
//!
//! Where Redis has evicted an object's record, its next commit does not know which keys it had; where
//! it has evicted the index, nobody misses an object that is gone. Each key still says which object
//! owns it, so all of them are gone through, after every object was given a record again.
//!
//! A key whose owner and whose object's record were both lost between two syncs is like any that
//! somebody else has written: it stays.
//!
//! An object that was left to a queue may have no record yet: whoever meets one of its keys does not wait for that.
//!
//! Where the time does not suffice for all of them, the summary says where the search goes on: the next part of the
//! sync is told.

use super::mode::{By, Mode};
use super::objects::{FullSync, Stop, before};
use super::up_to_date;
use crate::ledger::{OrphanCandidates, OwnersScan};
use crate::pipeline::{ChangeError, Rerun};

/// Goes through all keys that objects under the span's prefix own, or through those that the part before has left.
pub(super) async fn remove(sync: &mut FullSync<'_>) -> Result<(), Stop> {
    let ledger = sync.pipeline.ledger();
    let from = sync.summary.search.clone();
    let mut scan = before(sync.deadline, ledger.scan_owners(from)).await?;
    loop {
        let place = scan.place().clone();
        match step(sync, &mut scan).await {
            Ok(true) => sync.summary.reached_among_keys = true,
            Ok(false) => return Ok(()),
            Err(why) => {
                sync.summary.search = Some(place);
                return Err(why);
            }
        }
    }
}

/// Whether there is more.
async fn step(sync: &mut FullSync<'_>, scan: &mut OwnersScan) -> Result<bool, Stop> {
    let ledger = sync.pipeline.ledger();
    let found = ledger.next_candidates(scan, |object| sync.span.has(object));
    let Some(found) = before(sync.deadline, found).await? else {
        return Ok(false);
    };
    let leaves_objects = matches!(sync.mode, Mode::Write(_, By::Half(_) | By::Queue(_)));
    let is_lost = |candidates: &&OrphanCandidates| {
        candidates.is_lost || leaves_objects && candidates.is_unrecorded
    };
    let lost: Vec<String> = found
        .iter()
        .filter(is_lost)
        .map(|candidates| candidates.object.clone())
        .collect();
    sync_lost(sync, lost).await?;
    for candidates in found.iter().filter(|candidates| candidates.has_keys()) {
        let removed = before(sync.deadline, remove_of(sync, candidates)).await?;
        sync.summary.orphans += removed;
    }
    Ok(true)
}

/// Handles objects that have fallen out of the index.
async fn sync_lost(sync: &mut FullSync<'_>, lost: Vec<String>) -> Result<(), Stop> {
    if lost.is_empty() {
        return Ok(());
    }
    if let Mode::Write(..) = sync.mode {
        // Never by others: which of its keys are orphans is known when it has a record.
        return sync.write(lost, Rerun::IfChanged, By::Itself).await;
    }
    let candidates = before(sync.deadline, up_to_date::missing(sync.pipeline, lost)).await?;
    sync.dry_run(candidates).await
}

/// How many of these keys were orphans; they are removed unless this is a dry run.
async fn remove_of(sync: &FullSync<'_>, candidates: &OrphanCandidates) -> Result<u64, ChangeError> {
    let ledger = sync.pipeline.ledger();
    let orphans = ledger.orphans(candidates).await?;
    Ok(match sync.mode {
        Mode::DryRun(_) => orphans.count(),
        Mode::Write(..) => ledger.remove_orphans(&orphans).await?,
    })
}
