//! Which objects a full sync may skip: those that are provably up to date, without a ticket and
//! without a read of the object.
//!
//! That is safe only where all of this holds, checked after plugin list and listing were read:
//! - they equal the record: the same entity tag, time, plugins, settings and limits;
//! - the last ticket issued is the last one committed, so nobody is about to commit an older state;
//! - all Redis keys of the record still exist, and are owned by its last commit that wrote them; where
//!   Redis is verified, they also hold what that wrote.
//!
//! Without verifying, a value that somebody else has overwritten, or given another time to live, is not
//! seen: Redis would have to go through all of it.
//!
//! What a listing does not show (metadata, content type) is covered by the time of the last change,
//! which S3 has in whole seconds: an object that is put again within the second with the same
//! content and other metadata is seen by its own event, not here.

use crate::entry::content::Recorded;
use crate::ledger::Record;
use crate::pipeline::{ChangeError, Pipeline};
use crate::route::PluginList;
use crate::store::Listed;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a page of the listing waits for plugins that are not loaded yet, all in all. Objects whose
/// plugins take longer are not skipped: they wait elsewhere, where they hold up nobody.
const PATIENCE: Duration = Duration::from_secs(2);

/// An object, with what was recorded of it.
pub(super) struct Candidate {
    pub(super) key: String,
    pub(super) record: Record,
    /// Whether it may be skipped.
    pub(super) is_up_to_date: bool,
    /// Whether plugins failed on it when they last ran, and would be run on the same again.
    pub(super) fails_again: bool,
    /// Whether it is to be written again although its entries would be those that are recorded.
    pub(super) rewrite: bool,
    /// Whether somebody else must have changed what Redis holds of it.
    pub(super) has_drifted: bool,
}

impl Candidate {
    /// One that must be synced.
    fn due(key: String, record: Record) -> Self {
        Self {
            key,
            record,
            is_up_to_date: false,
            fails_again: false,
            rewrite: false,
            has_drifted: false,
        }
    }

    /// Whether it has written something.
    fn has_entries(&self) -> bool {
        self.record.digest.is_some()
    }

    /// Redis does not hold what is recorded of it. Keys that are to expire go by themselves.
    fn mark_differing(&mut self, is_missing: bool) {
        let recorded = self.record.digest.as_deref().and_then(Recorded::read);
        let goes_by_itself = recorded.is_some_and(|recorded| recorded.expires);
        (self.is_up_to_date, self.rewrite) = (false, true);
        self.has_drifted = !(is_missing && goes_by_itself);
    }
}

/// How closely Redis is compared with what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Whether the keys are there, and whose they are.
    Keys,
    /// Also what they hold, and whether they expire.
    Contents,
}

/// Whether machine code that is loaded for the comparison is kept for other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Artifacts {
    Keep,
    Leave,
}

/// Looks up the records of listed objects, and says which of them are up to date.
pub(super) async fn compare(
    pipeline: &Pipeline,
    listed: Vec<Listed>,
    plugins: &PluginList,
    artifacts: Artifacts,
    compare: Compare,
) -> Result<Vec<Candidate>, ChangeError> {
    let keys: Vec<String> = listed.iter().map(|object| object.key.clone()).collect();
    let records = pipeline.ledger().records(&keys).await?;
    let patience = Instant::now() + PATIENCE;
    let mut candidates = Vec::with_capacity(listed.len());
    for (object, record) in listed.into_iter().zip(records) {
        let may_be_skipped = record.is_settled() && is_as_listed(&record, &object);
        let basis = if may_be_skipped || record.error_basis.is_some() {
            timeout_at(patience, basis(pipeline, &object, plugins, artifacts))
                .await
                .unwrap_or(None)
        } else {
            None
        };
        candidates.push(Candidate {
            is_up_to_date: may_be_skipped && basis.is_some() && basis == record.basis,
            fails_again: basis.is_some() && basis == record.error_basis,
            ..Candidate::due(object.key, record)
        });
    }
    find_missing(pipeline, compare, &mut candidates).await?;
    if compare == Compare::Contents {
        find_overwritten(pipeline, &mut candidates).await?;
    }
    recheck(pipeline, &mut candidates).await?;
    Ok(candidates)
}

/// Looks up the records of objects that no listing shows.
pub(super) async fn missing(
    pipeline: &Pipeline,
    keys: Vec<String>,
) -> Result<Vec<Candidate>, ChangeError> {
    let records = pipeline.ledger().records(&keys).await?;
    let candidate = |(key, record)| Candidate::due(key, record);
    Ok(keys.into_iter().zip(records).map(candidate).collect())
}

/// Whether the record is of the object that the listing shows.
fn is_as_listed(record: &Record, listed: &Listed) -> bool {
    record.digest.is_some()
        && record.etag.as_deref() == Some(&listed.etag)
        && record.last_modified / 1000 == listed.last_modified / 1000
}

/// What the entries of a listed object would be made from now.
async fn basis(
    pipeline: &Pipeline,
    listed: &Listed,
    plugins: &PluginList,
    artifacts: Artifacts,
) -> Option<String> {
    match pipeline.basis(&listed.key, &listed.etag, plugins).await {
        Ok(Some((basis, loaded))) => {
            if artifacts == Artifacts::Keep {
                pipeline.keep_artifacts(&loaded).await;
            }
            Some(basis)
        }
        // Whoever takes a ticket for it will meet the error, and report it.
        Ok(None) | Err(_) => None,
    }
}

/// An object is not up to date where one of its Redis keys is gone or has another owner.
async fn find_missing(
    pipeline: &Pipeline,
    compare: Compare,
    candidates: &mut [Candidate],
) -> Result<(), ChangeError> {
    let mut compared: Vec<&mut Candidate> = match compare {
        Compare::Keys => candidates
            .iter_mut()
            .filter(|one| one.is_up_to_date)
            .collect(),
        Compare::Contents => candidates
            .iter_mut()
            .filter(|one| one.has_entries())
            .collect(),
    };
    let intact = pipeline.ledger().intact(&records(&compared)).await?;
    for (candidate, intact) in compared.iter_mut().zip(intact) {
        if !intact {
            candidate.mark_differing(true);
        }
    }
    Ok(())
}

/// Nor is it where a key holds something else than was written. That is looked for also in objects that
/// are due for another reason: they may yield what is recorded, and would then not be written.
async fn find_overwritten(
    pipeline: &Pipeline,
    candidates: &mut [Candidate],
) -> Result<(), ChangeError> {
    let mut compared: Vec<&mut Candidate> = candidates
        .iter_mut()
        .filter(|one| one.has_entries() && !one.rewrite)
        .collect();
    let holds = pipeline.ledger().holds(&records(&compared)).await?;
    for (candidate, holds) in compared.iter_mut().zip(holds) {
        if !holds {
            candidate.mark_differing(false);
        }
    }
    Ok(())
}

/// What differs may have been written just now, after the record was read: then it is as due as any
/// other object that has changed, and no more is said of it.
async fn recheck(pipeline: &Pipeline, candidates: &mut [Candidate]) -> Result<(), ChangeError> {
    let differing: Vec<&mut Candidate> = candidates
        .iter_mut()
        .filter(|candidate| candidate.rewrite)
        .collect();
    let keys: Vec<String> = differing.iter().map(|one| one.key.clone()).collect();
    let records = pipeline.ledger().records(&keys).await?;
    for (candidate, record) in differing.into_iter().zip(records) {
        if record != candidate.record {
            *candidate = Candidate::due(std::mem::take(&mut candidate.key), record);
        }
    }
    Ok(())
}

/// The records of these objects, with their keys.
fn records<'a>(candidates: &'a [&mut Candidate]) -> Vec<(&'a str, &'a Record)> {
    candidates
        .iter()
        .map(|candidate| (candidate.key.as_str(), &candidate.record))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            issued: 7,
            committed: 7,
            digest: Some("d".into()),
            etag: Some("e".into()),
            last_modified: 1_999,
            ..Record::default()
        }
    }

    fn listed() -> Listed {
        Listed {
            key: "k".into(),
            etag: "e".into(),
            last_modified: 1_000,
        }
    }

    #[test]
    fn a_record_is_compared_with_what_a_listing_shows() {
        assert!(is_as_listed(&record(), &listed()));
        let differing: [fn(&mut Record); 4] = [
            |record| record.digest = None,
            |record| record.etag = None,
            |record| record.etag = Some("f".into()),
            |record| record.last_modified = 2_000,
        ];
        for change in differing {
            let mut record = record();
            change(&mut record);
            assert!(!is_as_listed(&record, &listed()), "{record:?}");
        }
    }
}
