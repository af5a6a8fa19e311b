//! One object, from ticket to commit.
//!
//! Whatever decides the result is read after the ticket: the object, and the plugin list unless it is
//! kept for the ticket's generation. So whoever holds a later ticket has read a state at least as new,
//! and its commit wins.
//!
//! On a kept list an object is only synced, never refused: one that no route of it takes, or that fails,
//! is decided on the list as it is now. A plugin uploaded a moment ago then takes its objects, whether
//! or not its own event has been handled.

use super::decide::Rerun;
use super::error::ChangeError;
use super::evaluate::{Evaluator, Foreseen};
use super::joint::Joint;
use super::notes::{Cause, Notes};
use super::plugin_list::PluginLists;
use super::room::{Conditions, Room, Turn};
use super::verdict::{Conflict, Next};
use crate::event::Origins;
use crate::invocation;
use crate::ledger::{Generation, Ledger, LedgerError, Proposal, Ticket, Write};
use crate::metrics::{Count, Sample, milliseconds};
use crate::report::{ObjectReport, Outcome};
use crate::route::PluginList;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::sync::Arc;
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

/// Brings single objects up to date. Cheap to clone.
#[derive(Clone)]
pub(super) struct Objects {
    /// Name of the bucket.
    pub(super) bucket: Arc<str>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) plugin_lists: Arc<PluginLists>,
    pub(super) evaluator: Arc<Evaluator>,
    /// Who has put objects, where events have told.
    pub(super) origins: Arc<Origins>,
}

/// What an object is evaluated under: a ticket, and a plugin list that may be used under it.
pub(super) struct Begun {
    pub(super) ticket: Ticket,
    pub(super) plugins: Arc<PluginList>,
    /// Of a list that was read before the ticket: what one that is read after it is kept for.
    kept: Option<After>,
    /// How long that took, for all objects that began together.
    beginning: Duration,
    /// How long its plugins took to load before its turn.
    pub(super) loading: Duration,
}

/// From when on a list is as new as a ticket, and the generation that was seen by then.
#[derive(Clone, Copy)]
struct After {
    since: Instant,
    generation: Generation,
}

/// What an evaluation came to: what is proposed, what is to be reported of that, and its memory.
pub(super) type Proposed = (Proposal, Foreseen, Option<Room>);

impl Objects {
    /// Takes tickets for these objects, and only then reads the plugin list, unless one is kept that
    /// has a route for each of them.
    pub(super) async fn begin(&self, keys: &[String]) -> Result<Vec<Begun>, ChangeError> {
        let started = Instant::now();
        let taken = self.ledger.take_tickets(keys).await?;
        let after = After {
            since: Instant::now(),
            generation: taken.generation,
        };
        let kept = self.plugin_lists.kept_for(&taken);
        let (plugins, kept) = match kept.filter(|list| keys.iter().all(|key| list.routes(key))) {
            Some(list) => (list, Some(after)),
            None => (self.read_plugins(after).await?, None),
        };
        let beginning = started.elapsed();
        invocation::measure(&None, Sample::TicketTime, milliseconds(beginning));
        let begun = taken.tickets.into_iter().map(|ticket| Begun {
            ticket,
            plugins: Arc::clone(&plugins),
            kept,
            beginning,
            loading: Duration::ZERO,
        });
        Ok(begun.collect())
    }

    async fn read_plugins(&self, after: After) -> Result<Arc<PluginList>, ChangeError> {
        let After { since, generation } = after;
        // Seldom needed: it is not to make each object's future larger.
        Box::pin(self.plugin_lists.read_after(since, generation)).await
    }

    /// The plugin list as it is now, after others have been told to read it again.
    pub(super) async fn renew_plugins(&self) -> Result<Arc<PluginList>, ChangeError> {
        let generation = self.ledger.raise_generation().await?;
        let since = Instant::now();
        self.read_plugins(After { since, generation }).await
    }

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

    pub(super) async fn evaluate(
        &self,
        key: &str,
        begun: Begun,
        conditions: Conditions<'_>,
    ) -> Result<Proposed, ChangeError> {
        let Begun {
            ticket,
            mut plugins,
            kept,
            ..
        } = begun;
        let evaluator = &self.evaluator;
        let record = &ticket.record;
        let mut evaluated = evaluator.evaluate(key, record, &plugins, conditions).await;
        if let (Err(_), Some(after)) = (&evaluated, kept) {
            let now = self.read_plugins(after).await?;
            if !Arc::ptr_eq(&now, &plugins) {
                plugins = now;
                evaluated = evaluator.evaluate(key, record, &plugins, conditions).await;
            }
        }
        let evaluation = match evaluated {
            Ok(evaluation) => evaluation,
            Err(error) => {
                // A plugin that fails on every object need not be compiled for each function as well.
                evaluator.keep_artifacts_of(key, &plugins).await;
                return Err(error);
            }
        };
        evaluator.keep_artifacts(&evaluation.loaded).await;
        let mut source = evaluation.source;
        source.set_author(
            |etag, version| self.origins.author(key, etag, version),
            &ticket.record,
        );
        let proposal = Proposal {
            key: key.to_owned(),
            ticket,
            source,
            write: evaluation.write,
        };
        Ok((proposal, evaluation.foreseen, evaluation.room))
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
