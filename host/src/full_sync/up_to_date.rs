//! Which objects a full sync may skip: those that are provably up to date, without a ticket and
//! without a read of the object.
//!
//! That is safe only where all of this holds, checked after plugin list and listing were read:
//! - they equal the record: the same entity tag, time, plugins, settings and limits;
//! - the last ticket issued is the last one committed, so nobody is about to commit an older state;
//! - all Redis keys of the record still exist, as its last commit wrote them.
//!
//! What a listing does not show (metadata, content type) is covered by the time of the last change,
//! which S3 has in whole seconds: an object that is put again within the second with the same
//! content and other metadata is seen by its own event, not here.

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
            key: object.key,
            is_up_to_date: may_be_skipped && basis.is_some() && basis == record.basis,
            fails_again: basis.is_some() && basis == record.error_basis,
            record,
        });
    }
    skip_only_intact(pipeline, &mut candidates).await?;
    Ok(candidates)
}

/// Looks up the records of objects that no listing shows.
pub(super) async fn missing(
    pipeline: &Pipeline,
    keys: Vec<String>,
) -> Result<Vec<Candidate>, ChangeError> {
    let records = pipeline.ledger().records(&keys).await?;
    let candidate = |(key, record)| Candidate {
        key,
        record,
        is_up_to_date: false,
        fails_again: false,
    };
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

/// Whoever has lost a Redis key is not up to date.
async fn skip_only_intact(
    pipeline: &Pipeline,
    candidates: &mut [Candidate],
) -> Result<(), ChangeError> {
    let mut equal: Vec<&mut Candidate> = candidates
        .iter_mut()
        .filter(|candidate| candidate.is_up_to_date)
        .collect();
    let records: Vec<(&str, &Record)> = equal
        .iter()
        .map(|candidate| (candidate.key.as_str(), &candidate.record))
        .collect();
    let intact = pipeline.ledger().intact(&records).await?;
    for (candidate, intact) in equal.iter_mut().zip(intact) {
        candidate.is_up_to_date = intact;
    }
    Ok(())
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
