//! Committing what objects yield.

use super::answer::{Answer, Word};
use super::call::{COMMIT, Call, RAISE};
use super::proposal::{Proposal, Verdict};
use super::request::{CommitOptions, Request, Share};
use super::stage::AllStaged;
use super::{Ledger, LedgerError};
use redis::Script;
use std::collections::BTreeMap;

/// What came of calling a commit's scripts.
pub(super) enum Attempt {
    Verdict(Verdict),
    /// Nothing is in the way but that staged values are not there.
    Unstaged,
    /// On a cluster: of these proposals, by their places, those later tickets have been in a hash slot.
    Overtaken(BTreeMap<usize, u64>),
}

impl Attempt {
    /// What became of the proposals; `None` where that is open until what was staged is there.
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Overtaken(tickets) => Some(Verdict::Stale(*tickets.keys().next()?)),
            Self::Unstaged => None,
        }
    }
}

impl Ledger {
    /// Commits all of `proposals` or none; on a cluster that holds for each hash slot. Safe to
    /// repeat. Lists of keys that did not come with their tickets are fetched into them.
    pub async fn commit(&self, proposals: &mut [Proposal]) -> Result<Verdict, LedgerError> {
        for proposal in proposals.iter_mut() {
            self.complete(proposal).await?;
        }
        // Values that are too large to be sent are written only where nothing else is in the way.
        let attempt = self
            .attempt(proposals, &self.names_to_stage(proposals))
            .await?;
        if let Some(verdict) = attempt.verdict() {
            return Ok(verdict);
        }
        let staged = self.stage(proposals).await?;
        let attempt = self.attempt(proposals, &staged).await;
        let verdict = attempt.map(|attempt| attempt.verdict().unwrap_or(Verdict::Stale(0)));
        match &verdict {
            Ok(Verdict::Committed) => {}
            Ok(_) => self.unstage(staged).await,
            Err(error) => self.unstage_after(error, staged).await,
        }
        verdict
    }

    /// Fetches the list of keys that did not come with the ticket.
    pub async fn complete(&self, proposal: &mut Proposal) -> Result<(), LedgerError> {
        let record = &mut proposal.ticket.record;
        if record.keys.is_none() && record.committed > 0 {
            record.keys = Some(self.written_keys(&proposal.key).await?);
        }
        Ok(())
    }

    async fn attempt(
        &self,
        proposals: &[Proposal],
        staged: &AllStaged,
    ) -> Result<Attempt, LedgerError> {
        if self.cluster {
            self.commit_by_slot(proposals, staged).await
        } else {
            self.decide(&COMMIT, &mut self.whole(proposals), staged)
                .await
        }
    }

    /// Has the next ticket of an object be later than one under which something of it was written.
    pub(super) async fn raise(&self, proposal: &Proposal, ticket: u64) -> Result<(), LedgerError> {
        let call = Call::new(&RAISE)
            .key(self.names.record(&proposal.key))
            .argument(ticket.to_string())
            .argument(self.tombstone.as_secs().to_string());
        self.call::<u64>(&call).await?;
        Ok(())
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
        let earlier = self.names.earlier();
        let share = |(place, proposal): (usize, &'a Proposal)| Share {
            proposal,
            place,
            record: self.names.record(&proposal.key),
            earlier: earlier.as_ref().map(|names| names.record(&proposal.key)),
            keys: proposal.keys().collect(),
            entries: proposal.entries().iter().collect(),
            recorded: Vec::new(),
        };
        let known = proposals.iter().flat_map(Proposal::recorded_keys);
        Request {
            owners: self.names.owners(None),
            index: Some(self.names.index("")),
            shares: proposals.iter().enumerate().map(share).collect(),
            known: known.cloned().collect(),
        }
    }

    /// Calls a commit script. One that was not told all keys concerned says which they are, and is
    /// called once more; where they have changed again by then, the proposals are stale.
    pub(super) async fn decide(
        &self,
        script: &'static Script,
        request: &mut Request<'_>,
        staged: &AllStaged,
    ) -> Result<Attempt, LedgerError> {
        let mut answer = self.answer(script, request, staged).await?;
        if let Answer::Undeclared(more) = answer {
            request.known.extend(more);
            answer = self.answer(script, request, staged).await?;
        }
        let places: Vec<usize> = request.shares.iter().map(|share| share.place).collect();
        let at = |place: usize| places.get(place).copied();
        Ok(match answer {
            Answer::Verdict(verdict) => Attempt::Verdict(verdict.at(&places)),
            Answer::Late(place, ticket) => {
                if let Some(share) = request.shares.get(place) {
                    self.raise(share.proposal, ticket).await?;
                }
                Attempt::Verdict(Verdict::Stale(place).at(&places))
            }
            Answer::Unstaged => Attempt::Unstaged,
            Answer::Overtaken(tickets) => {
                let tickets = tickets.into_iter();
                Attempt::Overtaken(
                    tickets
                        .filter_map(|(place, ticket)| Some((at(place)?, ticket)))
                        .collect(),
                )
            }
            Answer::Undeclared(_) => Attempt::Verdict(Verdict::Stale(0)),
        })
    }

    async fn answer(
        &self,
        script: &'static Script,
        request: &Request<'_>,
        staged: &AllStaged,
    ) -> Result<Answer, LedgerError> {
        let call = request.call(script, &self.names, &self.options(), staged);
        let words: Vec<Word> = self.call(&call).await?;
        Answer::read(&words, &self.names).map_err(|cause| self.link.refused(cause))
    }
}
