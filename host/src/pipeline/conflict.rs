//! Committing, where need be together with the objects whose keys are in the way.
//!
//! A key that an object yields may belong to another one that has given it up in the bucket but not
//! yet in Redis: it was deleted (the old name of a renamed object), or it yields something else by
//! now. Its own event will say so, sooner or later; but waiting for it would make a rename depend on
//! the order of its events, and two objects that swap their keys would wait for each other for
//! ever. So the owner is prepared as well, and both are committed in one go.

use super::{
    ChangeError, Pipeline,
    prepare::{Mode, Prepared},
};
use crate::ledger::{Owner, Proposal, Verdict};

/// Objects that are committed together at the most.
const MAX_TOGETHER: usize = 16;

/// How often a joint commit is tried, each time with one object more or a newer proposal.
const MAX_ROUNDS: usize = 2 * MAX_TOGETHER;

impl Pipeline {
    /// Commits a proposal. A conflict comes back as an error that names the owner; whatever else
    /// the verdict says, it says it of this proposal.
    pub(super) async fn commit(&self, prepared: &Prepared) -> Result<Verdict, ChangeError> {
        let mut together = vec![prepared.proposal.clone()];
        for _ in 0..MAX_ROUNDS {
            match self.ledger.commit(&together).await? {
                Verdict::Conflict {
                    proposal,
                    redis_key,
                    owner,
                } => {
                    let claimant = together.get(proposal).map(|proposal| &proposal.key);
                    let owner = other(owner, claimant, &prepared.proposal.key);
                    together.push(self.release(&together, &redis_key, &owner).await?);
                }
                // Another worker was at the owner meanwhile.
                Verdict::Superseded(place @ 1..) | Verdict::Stale(place @ 1..) => {
                    self.renew(&mut together, place, Mode::Normal).await?;
                }
                // Some of the owner's keys are gone, say expired: all are to be written.
                Verdict::Changed(place @ 1..) => {
                    self.renew(&mut together, place, Mode::Rewrite).await?;
                }
                verdict => return Ok(verdict),
            }
        }
        Err(ChangeError::Restless)
    }

    /// What the owner of a key in the way is by now, to be committed together with who wants it.
    async fn release(
        &self,
        together: &[Proposal],
        redis_key: &str,
        owner: &Owner,
    ) -> Result<Proposal, ChangeError> {
        let Owner::Object(key) = owner else {
            return Err(conflict(redis_key, owner));
        };
        if together.len() >= MAX_TOGETHER || together.iter().any(|proposal| proposal.key == *key) {
            return Err(conflict(redis_key, owner));
        }
        // Where that cannot be told, the owner keeps what it has.
        let prepared = self.prepare_afresh(key, Mode::Normal).await;
        let prepared = prepared.map_err(|_| conflict(redis_key, owner))?;
        Ok(prepared.proposal)
    }

    async fn renew(
        &self,
        together: &mut [Proposal],
        place: usize,
        mode: Mode,
    ) -> Result<(), ChangeError> {
        if let Some(proposal) = together.get_mut(place) {
            *proposal = self.prepare_afresh(&proposal.key, mode).await?.proposal;
        }
        Ok(())
    }
}

/// The one of two claimants that is not `ours`, so that the message names who is in the way.
fn other(owner: Owner, claimant: Option<&String>, ours: &str) -> Owner {
    match claimant {
        Some(claimant) if matches!(&owner, Owner::Object(owner) if owner == ours) => {
            Owner::Object(claimant.clone())
        }
        _ => owner,
    }
}

fn conflict(redis_key: &str, owner: &Owner) -> ChangeError {
    ChangeError::Conflict(match owner {
        Owner::Object(object) => {
            format!("the Redis key `{redis_key}` belongs to the object `{object}`")
        }
        Owner::Elsewhere(object) => format!(
            "the Redis key `{redis_key}` belongs to the object `{object}` of another bucket"
        ),
        Owner::Unknown => {
            format!("the Redis key `{redis_key}` was not written by Redis Sync (ADOPT_KEYS=false)")
        }
    })
}
