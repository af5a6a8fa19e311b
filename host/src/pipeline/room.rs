//! Room in memory for the evaluation of an object.

use super::decide::Rerun;
use super::error::{ChangeError, TransformError};
use super::notes::Notes;
use super::transform::Transform;
use crate::budget::{Account, Budget, Held};
use crate::invocation;
use crate::ledger::Proposal;
use crate::metrics::Count;
use crate::number::to_u64;
use crate::report::Reason;
use crate::settings::{Limits, most_of_commit, most_of_object};
use std::time::Instant;

/// Opens accounts for evaluations.
pub(super) struct Rooms {
    pub(super) budget: Budget,
    /// The largest body.
    pub(super) body_bytes: u64,
    /// Limits where no plugin runs.
    pub(super) limits: Limits,
}

/// The memory of what is to be written, and where what its commit takes comes from.
pub(super) struct Room {
    pub(super) account: Account,
    _held: Held,
}

impl Room {
    pub(super) fn new(account: &Account, held: Held) -> Self {
        Self {
            account: account.clone(),
            _held: held,
        }
    }
}

/// What an evaluation is to keep to, and where it is noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions<'a> {
    /// Whether plugins run although nothing has changed.
    pub(super) rerun: Rerun,
    /// Whether it waits for room in memory.
    pub(super) turn: Turn,
    /// Until when it waits for anything.
    pub(super) deadline: Instant,
    /// Where it is noted.
    pub(super) notes: &'a Notes,
}

impl<'a> Conditions<'a> {
    /// Those of an evaluation beside which these are held: it does not wait, since others may be
    /// waiting for what they hold.
    pub(super) fn beside(self, rerun: Rerun, held: &[Option<Room>], notes: &'a Notes) -> Self {
        let turn = if held.iter().all(Option::is_none) {
            Turn::Wait
        } else {
            Turn::Now
        };
        Self {
            rerun,
            turn,
            notes,
            ..self
        }
    }
}

/// Whether an evaluation waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It does: nothing is held meanwhile.
    Wait,
    /// It does not, since its caller holds what others may be waiting for.
    Now,
}

impl Rooms {
    /// An account for the evaluation and the commit of one object.
    pub(super) async fn open(
        &self,
        key: &str,
        transform: Option<&Transform<'_>>,
        conditions: Conditions<'_>,
    ) -> Result<Account, ChangeError> {
        let limits = match transform {
            Some(transform) => transform.limits,
            // Its body is stored as it is.
            None => Limits {
                memory_bytes: 0,
                ..self.limits
            },
        };
        // In a chain, what one plugin has returned is the body for the next.
        let is_chain = transform.is_some_and(|transform| transform.steps.len() > 1);
        let between = if is_chain { limits.output_bytes } else { 0 };
        let most = most_of_object(&limits, self.body_bytes.saturating_add(to_u64(between)));
        let until = conditions.deadline;
        let opened = match conditions.turn {
            Turn::Wait => self.budget.open(most, 0, until).await.map(Some),
            Turn::Now => self.budget.try_open(most, 0, until),
        };
        if !matches!(opened, Ok(Some(_))) {
            invocation::count(Count::BudgetRefusals, 1);
        }
        match opened {
            Ok(Some((account, _))) => Ok(account),
            Ok(None) => Err(ChangeError::Crowded),
            Err(never) => Err(TransformError {
                plugin: transform.map(Transform::label),
                ..TransformError::new(
                    Reason::Memory,
                    format!("`{key}` cannot be worked on: {never}"),
                )
            }
            .into()),
        }
    }
}

/// What a commit has of each Redis key that an object had: as it is recorded, in the list, and in the request.
const COPIES_OF_KEYS: u64 = 3;

impl Room {
    /// Takes what the commit of these takes beside their entries.
    pub(super) async fn of_commit(&self, proposals: &[Proposal]) -> Held {
        let sent = proposals.iter().map(Proposal::sent_bytes).sum();
        let recorded: u64 = proposals.iter().map(Proposal::recorded_bytes).sum();
        let mut held = self.account.take(most_of_commit(sent)).await;
        held.join(self.account.take_of_rest(COPIES_OF_KEYS * recorded).await);
        held
    }
}
