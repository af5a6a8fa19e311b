//! One object, from ticket to commit.
//!
//! Whatever decides the result is read after the ticket: the plugin list, the object. So whoever
//! holds a later ticket has read a state at least as new, and its commit wins.

use super::decide::Rerun;
use super::error::ChangeError;
use super::evaluate::{Evaluator, Foreseen};
use super::joint_commit::{self, Next};
use super::plugin_list::PluginLists;
use super::room::{Conditions, Room, Turn, of_commit};
use crate::budget::Held;
use crate::event::Origins;
use crate::invocation;
use crate::ledger::{Ledger, LedgerError, Proposal, Ticket, Write};
use crate::metrics::Count;
use crate::report::{ObjectReport, Outcome};
use crate::route::PluginList;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an object is evaluated again because it, or an object it is committed together with,
/// changed while it was worked on; with the pauses before that. This is the only place where an
/// object is tried again within an invocation.
const AGAIN: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(10))
    .with_max_delay(Duration::from_millis(500))
    .with_max_times(8)
    .with_jitter();

/// Brings single objects up to date. Cheap to clone.
#[derive(Clone)]
pub(super) struct Objects {
    pub(super) ledger: Arc<Ledger>,
    pub(super) plugin_lists: Arc<PluginLists>,
    pub(super) evaluator: Arc<Evaluator>,
    /// Who has put objects, where events have told.
    pub(super) origins: Arc<Origins>,
}

/// What an object is evaluated under: a ticket, and the plugin list as it was read after that.
pub(super) struct Begun {
    pub(super) ticket: Ticket,
    pub(super) plugins: Arc<PluginList>,
}

/// What an evaluation came to: what is proposed, what is to be reported of that, and its memory.
type Evaluated = (Proposal, Foreseen, Option<Room>);

impl Objects {
    /// Takes tickets for these objects, and only then reads the plugin list.
    pub(super) async fn begin(&self, keys: &[String]) -> Result<Vec<Begun>, ChangeError> {
        let tickets = self.ledger.take_tickets(keys).await?;
        let plugins = self.plugin_lists.read().await?;
        let begun = tickets.into_iter().map(|ticket| Begun {
            ticket,
            plugins: Arc::clone(&plugins),
        });
        Ok(begun.collect())
    }

    /// Brings an object up to date, and logs what became of it.
    pub(super) async fn sync(
        &self,
        key: &str,
        begun: Begun,
        rerun: Rerun,
        deadline: Instant,
    ) -> ObjectReport {
        let started = Instant::now();
        let ticket = begun.ticket.number;
        let conditions = Conditions {
            rerun,
            turn: Turn::Wait,
            deadline,
        };
        let report = match self.commit(key, begun, conditions).await {
            Ok(report) => report,
            Err(error) => {
                self.record_failure(key, ticket, &error).await;
                error.report(key)
            }
        };
        log(&report, started);
        report
    }

    /// Evaluates the object and commits it, together with the owners of keys in its way; again
    /// where something changed in between. A ticket is for one evaluation: each has its own, and
    /// reads everything after it.
    async fn commit(
        &self,
        key: &str,
        begun: Begun,
        conditions: Conditions,
    ) -> Result<ObjectReport, ChangeError> {
        let (own, mut foreseen, room) = self.evaluate(key, begun, conditions).await?;
        let (mut proposals, mut rooms) = (vec![own], vec![room]);
        let mut pauses = AGAIN.build();
        loop {
            let sending = room_to_send(&rooms, &proposals).await;
            let verdict = self.ledger.commit(&mut proposals).await?;
            drop(sending);
            match joint_commit::next(verdict, &proposals)? {
                Next::Done => return self.report(foreseen, proposals.swap_remove(0)).await,
                Next::Superseded => {
                    foreseen.outcome = Outcome::Superseded;
                    return Ok(foreseen.report(key, 0));
                }
                Next::Join { owner, conflict } => {
                    let conditions = conditions.beside(Rerun::IfChanged, &rooms);
                    let owner = self.evaluate_afresh(&owner, conditions).await;
                    let (proposal, _, room) = owner.map_err(|cause| conflict.unresolved(cause))?;
                    proposals.push(proposal);
                    rooms.push(room);
                }
                Next::Again { place, rewrite } => {
                    let pause = pauses.next().ok_or(ChangeError::Contended)?;
                    invocation::count(Count::CommitRetries, 1);
                    tokio::time::sleep(pause).await;
                    let changed = proposals.get_mut(place).ok_or(ChangeError::Contended)?;
                    let rerun = match place {
                        _ if rewrite => Rerun::Always,
                        0 => conditions.rerun,
                        _ => Rerun::IfChanged,
                    };
                    rooms[place] = None;
                    let conditions = conditions.beside(rerun, &rooms);
                    let again = self.evaluate_afresh(&changed.key, conditions).await;
                    let (proposal, new, room) = again?;
                    (*changed, rooms[place]) = (proposal, room);
                    if place == 0 {
                        foreseen = new;
                    }
                }
            }
        }
    }

    /// Takes a ticket, then evaluates the object.
    async fn evaluate_afresh(
        &self,
        key: &str,
        conditions: Conditions,
    ) -> Result<Evaluated, ChangeError> {
        let begun = self.begin(&[key.to_owned()]).await?.pop();
        let begun = begun.ok_or(ChangeError::Contended)?;
        self.evaluate(key, begun, conditions).await
    }

    async fn evaluate(
        &self,
        key: &str,
        begun: Begun,
        conditions: Conditions,
    ) -> Result<Evaluated, ChangeError> {
        let Begun { ticket, plugins } = begun;
        let evaluator = &self.evaluator;
        let evaluated = evaluator.evaluate(key, &ticket.record, &plugins, conditions);
        let evaluation = match evaluated.await {
            Ok(evaluation) => evaluation,
            Err(error) => {
                // A plugin that fails on every object need not be compiled for each function as well.
                evaluator.keep_artifacts_of(key, &plugins).await;
                return Err(error);
            }
        };
        evaluator.keep_artifacts(&evaluation.loaded).await;
        let mut source = evaluation.source;
        source.is_by(
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

/// What the commit of these takes beside them, from the account of the first that is written.
async fn room_to_send(rooms: &[Option<Room>], proposals: &[Proposal]) -> Option<Held> {
    let room = rooms.iter().flatten().next()?;
    Some(room.account.take(of_commit(proposals)).await)
}

/// The one line an object gets.
fn log(report: &ObjectReport, started: Instant) {
    let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
    let (object, outcome, entries) = (&report.key, report.outcome.name(), report.entries);
    let plugin = report.plugin.as_deref();
    match report.failure() {
        None => tracing::info!(
            object,
            outcome,
            plugin,
            entries,
            fuel = report.fuel,
            duration_ms,
            "object done"
        ),
        Some(error) => tracing::error!(
            object,
            outcome,
            plugin,
            fuel = report.fuel,
            duration_ms,
            error,
            "object failed"
        ),
    }
}
