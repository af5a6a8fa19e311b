//! Committing what objects yield.

use super::answer::{Answer, Word};
use super::call::COMMIT;
use super::proposal::{Proposal, Verdict};
use super::request::{CommitOptions, Request, Share};
use super::stage::Staged;
use super::{Ledger, LedgerError};
use redis::Script;
use std::collections::BTreeMap;

impl Ledger {
    /// Commits all of `proposals` or none; on a cluster that holds for each hash slot. Safe to
    /// repeat. Lists of keys that did not come with their tickets are fetched into them.
    pub async fn commit(&self, proposals: &mut [Proposal]) -> Result<Verdict, LedgerError> {
        for proposal in proposals.iter_mut() {
            let record = &mut proposal.ticket.record;
            if record.keys.is_none() && record.committed > 0 {
                record.keys = Some(self.written_keys(&proposal.key).await?);
            }
        }
        let staged = self.stage(proposals).await?;
        if self.cluster {
            self.commit_by_slot(proposals, &staged).await
        } else {
            self.decide(&COMMIT, self.whole(proposals), &staged).await
        }
    }

    pub(super) fn options(&self) -> CommitOptions<'_> {
        CommitOptions {
            adopt: self.adopt_keys,
            channel: self.changes_channel.as_deref(),
            tombstone: self.tombstone,
        }
    }

    /// Everything in one request.
    fn whole<'a>(&self, proposals: &'a [Proposal]) -> Request<'a> {
        let share = |proposal: &'a Proposal| Share {
            proposal,
            record: self.names.record(&proposal.key),
            keys: proposal.keys().collect(),
            entries: proposal.entries().iter().collect(),
        };
        let known = proposals.iter().flat_map(Proposal::recorded_keys);
        Request {
            owners: self.names.owners(None),
            index: Some(self.names.index("")),
            shares: proposals.iter().map(share).collect(),
            known: known.cloned().collect(),
        }
    }

    /// Calls a commit script. One that was not told all keys concerned says which they are, and is
    /// called once more; where they have changed again by then, or staged values are gone, the
    /// proposals are stale.
    pub(super) async fn decide(
        &self,
        script: &'static Script,
        mut request: Request<'_>,
        staged: &BTreeMap<String, Staged>,
    ) -> Result<Verdict, LedgerError> {
        match self.answer(script, &request, staged).await? {
            Answer::Verdict(verdict) => return Ok(verdict),
            Answer::Unstaged => return Ok(Verdict::Stale(0)),
            Answer::Undeclared(more) => request.known.extend(more),
        }
        match self.answer(script, &request, staged).await? {
            Answer::Verdict(verdict) => Ok(verdict),
            Answer::Unstaged | Answer::Undeclared(_) => Ok(Verdict::Stale(0)),
        }
    }

    async fn answer(
        &self,
        script: &'static Script,
        request: &Request<'_>,
        staged: &BTreeMap<String, Staged>,
    ) -> Result<Answer, LedgerError> {
        let call = request.call(script, &self.names, &self.options(), staged);
        let words: Vec<Word> = self.call(&call).await?;
        Answer::read(&words, &self.names).map_err(|cause| self.link.refused(cause))
    }
}
