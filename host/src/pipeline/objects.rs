//! What one object is worked on with: tickets, the plugin list that may be used under them, and evaluations.
//!
//! On a kept list an object is only synced, never refused: one that no route of it takes, or that fails,
//! is decided on the list as it is now. A plugin uploaded a moment ago then takes its objects, whether
//! or not its own event has been handled.

use super::error::ChangeError;
use super::evaluate::{Evaluator, Foreseen};
use super::plugin_list::PluginLists;
use super::room::{Conditions, Room};
use crate::event::Origins;
use crate::invocation;
use crate::ledger::{Generation, Ledger, Proposal, Ticket, Touched};
use crate::metrics::{Sample, milliseconds};
use crate::route::PluginList;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    pub(super) beginning: Duration,
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
            touched: Touched::default(),
        };
        Ok((proposal, evaluation.foreseen, evaluation.room))
    }
}
