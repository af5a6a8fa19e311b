//! One object, from ticket to commit.
//!
//! Whatever decides the result is read after the ticket: the object, and the plugin list unless it is
//! kept for the ticket's generation ([`objects`](super::objects)). So whoever holds a later ticket has read a state at
//! least as new, and its commit wins.

use super::decide::Rerun;
use super::error::ChangeError;
use super::evaluate::Foreseen;
use super::joint::Joint;
use super::notes::{Cause, Notes};
use super::objects::{Begun, Objects};
use super::room::{Conditions, Turn};
use super::verdict::{Conflict, Next};
use crate::invocation;
use crate::ledger::{LedgerError, Proposal, Write};
use crate::metrics::Count;
use crate::report::{ObjectReport, Outcome};
use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::{Duration, Instant};

/// How often an object is evaluated again because it, or an object it is committed together with,
/// changed while it was worked on; with the pauses before that. This is the only place where an
/// object is tried again within an invocation, but on the present plugin list after one that was kept.
const AGAIN: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(10))
    .with_max_delay(Duration::from_millis(500))
    .with_max_times(8)
    .with_jitter();

/// How objects are worked on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// Why they are.
    pub(super) cause: Cause,
    /// Whether plugins run although nothing has changed.
    pub(super) rerun: Rerun,
    /// After this nothing more is started.
    pub(super) deadline: Instant,
}

impl Objects {
    /// Brings an object up to date, and tells what became of it.
    pub(super) async fn sync(&self, key: &str, begun: Begun, task: Task) -> ObjectReport {
        let started = Instant::now();
        let (ticket, notes) = (
            begun.ticket.number,
            Notes::begun(begun.beginning, begun.loading),
        );
        let conditions = Conditions {
            rerun: task.rerun,
            turn: Turn::Wait,
            deadline: task.deadline,
            notes: &notes,
        };
        let mut report = match self.commit(key, begun, conditions).await {
            Ok(report) => report,
            Err(error) => {
                self.record_failure(key, ticket, &error).await;
                error.report(key)
            }
        };
        notes.tell(&self.bucket, &mut report, task.cause, started);
        report
    }

    /// Evaluates the object and commits it, together with the owners of keys in its way; again
    /// where something changed in between. A ticket is for one evaluation: each has its own, and
    /// reads everything after it.
    async fn commit(
        &self,
        key: &str,
        begun: Begun,
        conditions: Conditions<'_>,
    ) -> Result<ObjectReport, ChangeError> {
        // Evaluations of other objects do not belong in this object's log line.
        let (mut pauses, aside) = (AGAIN.build(), Notes::default());
        let mut joint = Joint::new(self, conditions, &aside);
        let mut foreseen = joint.add(key, begun).await?;
        // A key that its owner was seen to keep.
        let mut kept: Option<Conflict> = None;
        loop {
            match joint.commit().await? {
                Next::Done => return self.report(foreseen, joint.into_own()).await,
                Next::Superseded => {
                    foreseen.outcome = Outcome::Superseded;
                    return Ok(foreseen.report(key, 0));
                }
                // Seldom needed: neither is to make each object's future larger.
                Next::Join(in_the_way) => {
                    if let Some(kept) = kept {
                        return Err(kept.refused());
                    }
                    kept = Box::pin(joint.join(in_the_way)).await?;
                }
                Next::Again { place, rewrite } => {
                    kept = None;
                    let pause = pauses.next().ok_or(ChangeError::Contended)?;
                    invocation::count(Count::CommitRetries, 1);
                    tokio::time::sleep(pause).await;
                    foreseen = Box::pin(joint.renew(place, rewrite)).await?;
                }
            }
        }
    }

    /// The report of an object whose proposal is committed.
    async fn report(
        &self,
        foreseen: Foreseen,
        committed: Proposal,
    ) -> Result<ObjectReport, ChangeError> {
        let key = &committed.key;
        let entries = match (committed.write, committed.ticket.record.keys) {
            (Write::Entries(set), _) => set.len(),
            (Write::Unchanged, Some(keys)) => keys.len(),
            (Write::Unchanged, None) => self.ledger.written_keys(key).await?.len(),
        };
        Ok(foreseen.report(key, entries))
    }

    /// Notes the failure for `status`. That Redis does not answer is not noted: it would not get there.
    async fn record_failure(&self, key: &str, ticket: u64, error: &ChangeError) {
        if matches!(error, ChangeError::Ledger(LedgerError::Unavailable { .. })) {
            return;
        }
        let noted = self
            .ledger
            .record_failure(key, ticket, &error.to_string(), error.basis())
            .await;
        if let Err(error) = noted {
            tracing::warn!(object = key, error = %error, "the failure could not be recorded");
        }
    }
}
