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

impl Pipeline {
    /// Commits a proposal. A conflict comes back as an error that names the owner.
    pub(super) async fn commit(&self, prepared: &Prepared) -> Result<Verdict, ChangeError> {
        let mut together = vec![prepared.proposal.clone()];
        loop {
            let verdict = self.ledger.commit(&together).await?;
            let Verdict::Conflict {
                redis_key, owner, ..
            } = &verdict
            else {
                return Ok(verdict);
            };
            let owner = match owner {
                Owner::Object(owner)
                    if together.iter().all(|proposal| proposal.key != *owner)
                        && together.len() < MAX_TOGETHER =>
                {
                    owner
                }
                owner => return Err(conflict(redis_key, owner)),
            };
            let Some(released) = self.propose(owner).await else {
                return Err(conflict(redis_key, &Owner::Object(owner.clone())));
            };
            together.push(released);
        }
    }

    /// What the owner yields now; `None` where that cannot be told, so that it keeps what it has.
    async fn propose(&self, key: &str) -> Option<Proposal> {
        let keys = [key.to_owned()];
        let ticket = self.ledger.tickets(&keys).await.ok()?.pop()?;
        let routes = self
            .catalog
            .read(&self.store, &self.settings.plugins_prefix)
            .await
            .ok()?;
        let prepared = self
            .prepare(key, ticket, &routes, Mode::Normal)
            .await
            .ok()?;
        Some(prepared.proposal)
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
