//! Passing over what is provably unchanged, without a ticket and without a read.
//!
//! It is safe only where all of this holds, checked after plugin list and listing were read:
//! - they equal the record: the same entity tag, time, plugins, settings and limits;
//! - the last ticket issued is the last one committed, so nobody is about to commit an older state;
//! - all Redis keys of the record still exist.
//!
//! What a listing does not show (metadata, content type) is covered by the time of the last change,
//! which S3 has in whole seconds: an object that is put again within the second with the same
//! content and other metadata is seen by its own event, not here.

use super::prepare::Mode;
use super::{ChangeError, Pipeline};
use crate::ledger::{LedgerError, Seen};
use crate::route::{Resolution, Routes};
use crate::store::Listed;

/// What a listing or the index shows, with its record.
pub(super) struct Candidate {
    pub(super) key: String,
    pub(super) seen: Seen,
    /// Whether it may be passed over.
    pub(super) unchanged: bool,
    /// Whether its Redis keys are known to be there.
    pub(super) intact: bool,
}

impl Pipeline {
    /// Looks up the records of listed objects, and says which of them are unchanged.
    pub(super) async fn candidates(
        &self,
        listed: Vec<Listed>,
        routes: &Routes,
        mode: Mode,
    ) -> Result<Vec<Candidate>, LedgerError> {
        let keys: Vec<String> = listed.iter().map(|object| object.key.clone()).collect();
        let seen = self.ledger.look_up(&keys).await?;
        let mut candidates = Vec::with_capacity(listed.len());
        for (object, seen) in listed.into_iter().zip(seen) {
            let unchanged = seen.settled && self.equals(&object, &seen, routes, mode).await;
            candidates.push(Candidate {
                key: object.key,
                seen,
                unchanged,
                intact: false,
            });
        }
        let equal: Vec<(&str, &Seen)> = candidates
            .iter()
            .filter(|candidate| candidate.unchanged)
            .map(|candidate| (candidate.key.as_str(), &candidate.seen))
            .collect();
        let intact = self.ledger.intact(&equal).await?;
        let equal = candidates
            .iter_mut()
            .filter(|candidate| candidate.unchanged);
        for (candidate, intact) in equal.zip(intact) {
            candidate.unchanged = intact;
            candidate.intact = intact;
        }
        Ok(candidates)
    }

    /// The records of objects that no listing shows.
    pub(super) async fn gone(&self, keys: Vec<String>) -> Result<Vec<Candidate>, LedgerError> {
        let seen = self.ledger.look_up(&keys).await?;
        let candidate = |(key, seen)| Candidate {
            key,
            seen,
            unchanged: false,
            intact: false,
        };
        Ok(keys.into_iter().zip(seen).map(candidate).collect())
    }

    async fn equals(&self, listed: &Listed, seen: &Seen, routes: &Routes, mode: Mode) -> bool {
        seen.etag == listed.etag
            && seen.last_modified / 1000 == listed.last_modified / 1000
            && seen.record.digest.is_some()
            && match self.basis_of(&listed.key, &listed.etag, routes, mode).await {
                Ok(basis) => basis.is_some() && basis == seen.record.basis,
                // Whoever takes a ticket for it will meet the error, and report it.
                Err(_) => false,
            }
    }

    /// What the basis of an object's entries would be now; `None` where it has none.
    async fn basis_of(
        &self,
        key: &str,
        etag: &str,
        routes: &Routes,
        mode: Mode,
    ) -> Result<Option<String>, ChangeError> {
        Ok(match routes.resolve(key) {
            Resolution::Route(route) => {
                let transform = self.load(key, &route, routes, mode).await?;
                Some(self.basis(etag, Some(&transform)))
            }
            Resolution::Unmatched => Some(self.basis(etag, None)),
            Resolution::Broken(_) => None,
        })
    }
}
