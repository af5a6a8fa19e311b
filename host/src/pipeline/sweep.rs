//! Bringing many objects up to date: a walk through the listing and the index, side by side.
//!
//! Both are in the order of the keys' bytes, so a page of the one and the same stretch of the other
//! are all that is in memory. An object that is in the index and not in the listing is gone, or came
//! after the page was read; either way it takes the normal path, which reads it under a ticket.

use super::passing::Candidate;
use super::prepare::Mode;
use super::tally::Tally;
use super::{ChangeError, Pipeline};
use crate::ledger::{Start, Ticket};
use crate::report::{ObjectReport, Outcome};
use crate::route::Routes;
use crate::store::Listed;
use crate::work::Work;
use futures::StreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Objects of the index that are looked at together.
const INDEXED_AT_ONCE: usize = 1000;

/// Keys in one message. Few enough that one bad object holds up few others.
const KEYS_IN_MESSAGE: usize = 25;

/// What is done with the objects that may not be up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Each is brought up to date. `force` does that to all others as well.
    Sync {
        /// Whether plugins run again also where nothing has changed.
        force: bool,
    },
    /// Nothing is written, no ticket taken: what would become of them is counted.
    Preview {
        /// As with `Sync`.
        force: bool,
    },
    /// Their keys are sent to the queue.
    Queue,
}

/// Which objects are walked through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// What their keys begin with.
    prefix: String,
    /// Whether only the object is meant that has just this key.
    exact: bool,
}

impl Span {
    /// The objects whose keys begin so.
    pub fn under(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self {
            prefix,
            exact: false,
        }
    }

    /// The one object of that key.
    pub fn only(key: impl Into<String>) -> Self {
        let prefix = key.into();
        Self {
            prefix,
            exact: true,
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        if self.exact {
            key == self.prefix
        } else {
            key.starts_with(&self.prefix)
        }
    }

    /// Whether all of `other` lies within this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        *self == *other || !self.exact && other.prefix.starts_with(&self.prefix)
    }
}

/// Why a walk ends before its end.
type Stop = String;

/// A walk on its way.
struct Walk<'a> {
    pipeline: &'a Arc<Pipeline>,
    span: &'a Span,
    action: Action,
    deadline: Instant,
    routes: Arc<Routes>,
    tally: &'a mut Tally,
}

impl Pipeline {
    /// Walks through the objects of `span`. What does not fit before `deadline` is left, and the
    /// tally says so: the same call again passes over what is done.
    pub async fn sweep(self: &Arc<Self>, span: &Span, action: Action, deadline: Instant) -> Tally {
        let mut tally = Tally::default();
        // Read once: an object that is compared with an older list than the present one at worst
        // takes the path of the changed, which reads the list again.
        let routes = self
            .catalog
            .read(&self.store, &self.settings.plugins_prefix);
        match in_time(deadline, routes).await {
            Ok(routes) => {
                let mut walk = Walk {
                    pipeline: self,
                    span,
                    action,
                    deadline,
                    routes,
                    tally: &mut tally,
                };
                if let Err(stop) = walk.through().await {
                    tally.stopped = Some(stop);
                }
            }
            Err(why) => tally.stopped = Some(format!("not started: {why}")),
        }
        tally
    }

    /// What would become of an object, with its record as it was looked up. Whether its keys are
    /// free is not known before they are written.
    pub(super) async fn preview(
        &self,
        candidate: Candidate,
        routes: &Routes,
        mode: Mode,
    ) -> ObjectReport {
        let Candidate {
            key, seen, intact, ..
        } = candidate;
        let ticket = Ticket {
            number: 0,
            record: seen.record,
        };
        match self.prepare(&key, ticket, routes, mode).await {
            Ok(prepared) => {
                let outcome = match prepared.outcome {
                    Outcome::Unchanged if !intact => Outcome::Synced,
                    outcome => outcome,
                };
                prepared.report(outcome)
            }
            Err(error) => ObjectReport::failed(key, &error),
        }
    }
}

impl Walk<'_> {
    async fn through(&mut self) -> Result<(), Stop> {
        let mut start = Start::At(self.span.prefix.clone());
        let mut page = None;
        loop {
            let listing = self.pipeline.store.list(&self.span.prefix, page.take());
            let listing = in_time(self.deadline, listing).await;
            let listing = listing.map_err(|why| stopped(&start, &why))?;
            let last = listing.objects.last().map(|object| object.key.clone());
            if let (None, Some(next)) = (&last, &listing.next) {
                page = Some(next.clone());
                continue;
            }
            let is_wanted = |object: &Listed| {
                self.span.has(&object.key) && self.pipeline.settings.is_config(&object.key)
            };
            let listed: Vec<Listed> = listing.objects.into_iter().filter(is_wanted).collect();
            let there: BTreeSet<String> = listed.iter().map(|object| object.key.clone()).collect();
            let candidates = self.pipeline.candidates(listed, &self.routes, self.mode());
            let candidates = in_time(self.deadline, candidates).await;
            let candidates = candidates.map_err(|why| stopped(&start, &why))?;
            self.carry_out(candidates, &start).await?;
            // The last page ends where the span does; an exact span is over with its first page.
            let ends = listing.next.is_none() || self.span.exact;
            let until = if ends { None } else { last.as_deref() };
            self.remove_gone(&start, until, &there).await?;
            tracing::info!(
                prefix = self.span.prefix,
                place = last,
                progress = %self.tally,
                "walking through the bucket"
            );
            match (listing.next, last) {
                (Some(next), Some(last)) if !ends => {
                    page = Some(next);
                    start = Start::After(last);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Handles the objects of one stretch of the index that are not in the listing.
    async fn remove_gone(
        &mut self,
        start: &Start,
        until: Option<&str>,
        there: &BTreeSet<String>,
    ) -> Result<(), Stop> {
        let mut start = start.clone();
        loop {
            let indexed = self.pipeline.ledger.indexed(&start, until, INDEXED_AT_ONCE);
            let indexed = in_time(self.deadline, indexed).await;
            let indexed = indexed.map_err(|why| stopped(&start, &why))?;
            let next = indexed.last().cloned();
            let read = indexed.len();
            let within: Vec<String> = indexed
                .into_iter()
                .take_while(|key| self.span.has(key))
                .collect();
            let ended = within.len() < read || read < INDEXED_AT_ONCE;
            let gone: Vec<String> = within
                .into_iter()
                .filter(|key| !there.contains(key))
                .collect();
            let gone = in_time(self.deadline, self.pipeline.gone(gone)).await;
            let gone = gone.map_err(|why| stopped(&start, &why))?;
            self.carry_out(gone, &start).await?;
            match next {
                Some(next) if !ended => start = Start::After(next),
                _ => return Ok(()),
            }
        }
    }

    fn mode(&self) -> Mode {
        match self.action {
            Action::Preview { force } => Mode::Preview { force },
            Action::Sync { force: true } => Mode::Rewrite,
            Action::Sync { force: false } | Action::Queue => Mode::Normal,
        }
    }

    fn pass_over(&mut self, objects: usize) {
        let objects = u64::try_from(objects).unwrap_or(u64::MAX);
        self.tally.add_unchanged(objects);
        if !matches!(self.action, Action::Preview { .. }) {
            let metrics = &self.pipeline.metrics;
            metrics.count(Outcome::Unchanged, objects);
        }
    }

    async fn carry_out(&mut self, candidates: Vec<Candidate>, start: &Start) -> Result<(), Stop> {
        let (Action::Sync { force } | Action::Preview { force }) = self.action else {
            return self.send(candidates, start).await;
        };
        let all = candidates.len();
        let due: Vec<Candidate> = candidates
            .into_iter()
            .filter(|candidate| force || !candidate.unchanged)
            .collect();
        self.pass_over(all - due.len());
        let mode = self.mode();
        if matches!(self.action, Action::Preview { .. }) {
            return self.preview(due, mode, start).await;
        }
        if due.is_empty() {
            return Ok(());
        }
        let keys = due.into_iter().map(|candidate| candidate.key).collect();
        for report in self.pipeline.sync_in(keys, mode, self.deadline).await {
            self.tally.add(report);
        }
        if Instant::now() >= self.deadline {
            return Err(stopped(start, &OUT_OF_TIME));
        }
        Ok(())
    }

    async fn preview(
        &mut self,
        due: Vec<Candidate>,
        mode: Mode,
        start: &Start,
    ) -> Result<(), Stop> {
        let routes = Arc::clone(&self.routes);
        let previews = due.into_iter().map(|candidate| {
            let (pipeline, routes) = (self.pipeline, &routes);
            async move { pipeline.preview(candidate, routes, mode).await }
        });
        let mut previews =
            futures::stream::iter(previews).buffered(self.pipeline.settings.concurrency);
        loop {
            match tokio::time::timeout_at(self.deadline.into(), previews.next()).await {
                Ok(Some(report)) => self.tally.add(report),
                Ok(None) => return Ok(()),
                Err(_) => return Err(stopped(start, &OUT_OF_TIME)),
            }
        }
    }

    async fn send(&mut self, candidates: Vec<Candidate>, start: &Start) -> Result<(), Stop> {
        let all = candidates.len();
        let due: Vec<String> = candidates
            .into_iter()
            .filter(|candidate| !candidate.unchanged)
            .map(|candidate| candidate.key)
            .collect();
        self.pass_over(all - due.len());
        let Some(queue) = &self.pipeline.queue else {
            return Ok(());
        };
        let work = due.chunks(KEYS_IN_MESSAGE).map(|keys| Work {
            bucket: self.pipeline.settings.bucket.clone(),
            keys: keys.to_vec(),
        });
        let work: Vec<Work> = work.collect();
        in_time(self.deadline, queue.send(&work))
            .await
            .map_err(|why| stopped(start, &why))?;
        self.tally.queued += u64::try_from(due.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Why nothing more is started.
const OUT_OF_TIME: &str = "the invocation's time is nearly over";

pub(super) async fn in_time<T, E>(
    deadline: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String>
where
    ChangeError: From<E>,
{
    match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(ChangeError::from(error).to_string()),
        Err(_) => Err(OUT_OF_TIME.to_owned()),
    }
}

fn stopped(start: &Start, why: &(impl std::fmt::Display + ?Sized)) -> Stop {
    let place = match start {
        Start::At(key) if key.is_empty() => "at the start".to_owned(),
        Start::At(key) => format!("at `{key}`"),
        Start::After(key) => format!("after `{key}`"),
    };
    format!("stopped {place}, call again for the rest: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_covers_what_lies_within_it() {
        let under = Span::under("a/");
        assert!(under.covers(&Span::under("a/b/")) && under.covers(&Span::only("a/b")));
        assert!(!under.covers(&Span::under("a")) && !under.covers(&Span::only("a")));
        assert!(Span::only("a").covers(&Span::only("a")));
        assert!(!Span::only("a").covers(&Span::under("a")));
        assert!(Span::under("").covers(&under));
    }
}
