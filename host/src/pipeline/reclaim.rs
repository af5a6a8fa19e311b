//! Removing what no record leads to any more: the last part of an operator's `sync`.
//!
//! Where Redis has evicted an object's record, its next commit does not know which keys it had; where
//! it has evicted the index, nobody misses an object that is gone. Each key still says which object
//! wrote it, so all of them are gone through, after the walk has given every object a record again.
//!
//! A key whose owner and whose object's record were both lost between two syncs is like any that
//! somebody else has written: it stays.

use super::Pipeline;
use super::prepare::Mode;
use super::sweep::{Action, Span, in_time};
use super::tally::Tally;
use crate::ledger::Suspicion;
use std::sync::Arc;
use std::time::Instant;

impl Pipeline {
    /// Walks through the objects of `span`, then through all keys that objects of it have written.
    pub async fn reconcile(
        self: &Arc<Self>,
        span: &Span,
        action: Action,
        deadline: Instant,
    ) -> Tally {
        let mut tally = self.sweep(span, action, deadline).await;
        if tally.stopped.is_none() {
            let reclaimed = self.reclaim(span, action, deadline, &mut tally).await;
            tally.stopped = reclaimed.err().map(|why| {
                format!("stopped while looking for stray keys, call again for the rest: {why}")
            });
        }
        tally
    }

    async fn reclaim(
        self: &Arc<Self>,
        span: &Span,
        action: Action,
        deadline: Instant,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let mut inventory = self.ledger.inventory();
        loop {
            let suspicions = self.ledger.suspicions(&mut inventory);
            let Some(mut suspicions) = in_time(deadline, suspicions).await? else {
                return Ok(());
            };
            suspicions.retain(|suspicion| span.has(&suspicion.object));
            let lost = suspicions.iter().filter(|suspicion| suspicion.is_lost);
            let lost: Vec<String> = lost.map(|suspicion| suspicion.object.clone()).collect();
            if let Action::Preview { .. } = action {
                in_time(deadline, self.preview_lost(lost, tally)).await?;
            } else {
                for report in self.sync_in(lost, Mode::Normal, deadline).await {
                    tally.add(report);
                }
            }
            for suspicion in suspicions.iter().filter(|suspicion| suspicion.has_keys()) {
                let strays = self.remove_strays(suspicion, action);
                tally.strays += in_time(deadline, strays).await?;
            }
        }
    }

    async fn preview_lost(
        &self,
        lost: Vec<String>,
        tally: &mut Tally,
    ) -> Result<(), super::ChangeError> {
        if lost.is_empty() {
            return Ok(());
        }
        let routes = self
            .catalog
            .read(&self.store, &self.settings.plugins_prefix)
            .await?;
        for candidate in self.gone(lost).await? {
            tally.add(
                self.preview(candidate, &routes, Mode::Preview { force: false })
                    .await,
            );
        }
        Ok(())
    }

    async fn remove_strays(
        &self,
        suspicion: &Suspicion,
        action: Action,
    ) -> Result<u64, crate::ledger::LedgerError> {
        let strays = self.ledger.strays(suspicion).await?;
        match action {
            Action::Preview { .. } => Ok(strays.count()),
            Action::Sync { .. } | Action::Queue => self.ledger.reclaim(&strays).await,
        }
    }
}
