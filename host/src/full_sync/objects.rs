//! Going through the objects of a span: what is not up to date is synced, previewed or queued.

use super::merge::{Merge, Objects};
use super::span::Span;
use super::summary::Summary;
use super::up_to_date::{self, Artifacts, Candidate};
use crate::invocation;
use crate::ledger::Start;
use crate::pipeline::{Cause, ChangeError, Pipeline, Rerun};
use crate::queue::Queue;
use crate::report::{ObjectReport, Outcome};
use crate::route::PluginList;
use crate::work::Work;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Instant;

/// Keys in one message. Few enough that one bad object holds up few others.
const KEYS_IN_MESSAGE: usize = 25;

/// Objects that come last, at the most: more of them are handled when they are met.
const MAX_LAST: usize = 10_000;

/// Why nothing more is started.
const OUT_OF_TIME: &str = "the invocation's time is nearly over";

/// Why an object that came last was not reached.
const NOT_TRIED_AGAIN: &str =
    "its plugin failed on it before, so it comes last, and the invocation's time is nearly over";

/// What is done with the objects that may not be up to date.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// Each is brought up to date; with [`Rerun::Always`] all others as well.
    Write(Rerun),
    /// Nothing is written, no ticket taken: what would become of them is counted.
    Preview(Rerun),
    /// Their keys are sent to this queue.
    Dispatch(&'a Queue),
}

/// Why a full sync ends before its end.
pub(super) type Stop = String;

/// A full sync on its way.
pub(super) struct FullSync<'a> {
    /// Has the bucket, Redis, and the way of one object.
    pub(super) pipeline: &'a Pipeline,
    /// The objects it goes through.
    pub(super) span: &'a Span,
    /// What is done with those that may not be up to date.
    pub(super) mode: Mode<'a>,
    /// After this nothing more is started.
    pub(super) deadline: Instant,
    /// The plugin list that listed objects are compared with.
    plugins: Arc<PluginList>,
    /// Objects that come last: those that are likely to fail again, some of them slowly.
    last: Vec<String>,
    /// What has become of the objects so far.
    pub(super) summary: Summary,
}

impl<'a> FullSync<'a> {
    /// Reads the plugin list, once: an object that is compared with an older list than the present
    /// one at worst takes the way of the changed. Unless it is a preview, nobody uses an older one from
    /// now on: what a lost event did not tell, a full sync does.
    pub(super) async fn begin(
        pipeline: &'a Pipeline,
        span: &'a Span,
        mode: Mode<'a>,
        deadline: Instant,
    ) -> Result<Self, Summary> {
        let plugins = async {
            match mode {
                Mode::Preview(_) => pipeline.plugin_list().await,
                Mode::Write(_) | Mode::Dispatch(_) => pipeline.renewed_plugin_list().await,
            }
        };
        match before(deadline, Box::pin(plugins)).await {
            Ok(plugins) => Ok(Self::new(pipeline, span, mode, deadline, plugins)),
            Err(why) => Err(Summary::stopped(format!("not started: {why}"))),
        }
    }

    /// One that compares with this plugin list.
    pub(super) fn new(
        pipeline: &'a Pipeline,
        span: &'a Span,
        mode: Mode<'a>,
        deadline: Instant,
        plugins: Arc<PluginList>,
    ) -> Self {
        Self {
            pipeline,
            span,
            mode,
            deadline,
            plugins,
            last: Vec::new(),
            summary: Summary::default(),
        }
    }

    /// Goes through listing and index. The summary says where it stopped, if it did.
    pub(super) async fn objects(&mut self) {
        let pipeline = self.pipeline;
        let (store, ledger) = (pipeline.store(), pipeline.ledger());
        let mut merge = Merge::new(store, ledger, pipeline.settings(), self.span);
        if let Err(why) = self.go_through(&mut merge).await {
            self.summary.stopped = Some(stopped(merge.place(), &why));
        }
    }

    /// Handles the objects that come last, as far as there is time. What is not reached is reported so:
    /// where everything else was, the sync is no success and yet at its end.
    pub(super) async fn end_with_last(&mut self) {
        let last = std::mem::take(&mut self.last);
        if let (Mode::Write(rerun), None) = (self.mode, &self.summary.stopped) {
            // An error: the time is over, which the reports say as well.
            let _ = self.write(last, rerun).await;
        } else {
            let late = |key| ObjectReport::failed(key, NOT_TRIED_AGAIN).late();
            last.into_iter().for_each(|key| self.summary.add(late(key)));
        }
    }

    async fn go_through(&mut self, merge: &mut Merge<'_>) -> Result<(), Stop> {
        while let Some(objects) = before(self.deadline, merge.next()).await? {
            let candidates = match objects {
                Objects::Present(listed) => {
                    tracing::info!(
                        prefix = self.span.prefix(),
                        place = %merge.place(),
                        progress = %self.summary,
                        "full sync"
                    );
                    let compared =
                        up_to_date::compare(self.pipeline, listed, &self.plugins, self.artifacts());
                    before(self.deadline, compared).await?
                }
                Objects::Missing(keys) => {
                    before(self.deadline, up_to_date::missing(self.pipeline, keys)).await?
                }
                Objects::Unindexed(keys) => {
                    self.index(keys).await;
                    continue;
                }
            };
            self.handle(candidates).await?;
            if let Start::After(key) = merge.place() {
                self.summary.reached = Some(key.clone());
            }
        }
        Ok(())
    }

    fn artifacts(&self) -> Artifacts {
        match self.mode {
            Mode::Preview(_) => Artifacts::Leave,
            Mode::Write(_) | Mode::Dispatch(_) => Artifacts::Keep,
        }
    }

    /// Skips what may be skipped, and does with the others what the mode says.
    async fn handle(&mut self, candidates: Vec<Candidate>) -> Result<(), Stop> {
        let all = candidates.len();
        let always = matches!(
            self.mode,
            Mode::Write(Rerun::Always) | Mode::Preview(Rerun::Always)
        );
        let due: Vec<Candidate> = candidates
            .into_iter()
            .filter(|candidate| always || !candidate.is_up_to_date)
            .collect();
        self.skip(all - due.len());
        match self.mode {
            Mode::Write(rerun) => {
                let room = MAX_LAST.saturating_sub(self.last.len());
                let (mut last, now): (Vec<_>, Vec<_>) =
                    due.into_iter().partition(|candidate| candidate.fails_again);
                let beyond = last.split_off(last.len().min(room));
                self.last.extend(keys(last));
                self.write(keys(now.into_iter().chain(beyond).collect()), rerun)
                    .await
            }
            Mode::Preview(rerun) => self.preview(due, rerun).await,
            Mode::Dispatch(queue) => self.dispatch(queue, keys(due)).await,
        }
    }

    /// Brings objects back into the index. They were counted when they were gone through; nothing of
    /// them is in the index yet where they were not written.
    async fn index(&mut self, keys: Vec<String>) {
        let Mode::Write(_) = self.mode else {
            return;
        };
        let (cause, rerun) = (Cause::Sync, Rerun::IfChanged);
        let reports = self.pipeline.sync(keys, cause, rerun, self.deadline);
        for report in reports.await {
            if report.failure().is_some() {
                self.summary.add(report);
            }
        }
    }

    fn skip(&mut self, objects: usize) {
        let objects = u64::try_from(objects).unwrap_or(u64::MAX);
        self.summary.add_unchanged(objects);
        if !matches!(self.mode, Mode::Preview(_)) {
            invocation::count(Outcome::Unchanged.metric(), objects);
        }
    }

    /// Brings these objects up to date.
    pub(super) async fn write(&mut self, keys: Vec<String>, rerun: Rerun) -> Result<(), Stop> {
        if keys.is_empty() {
            return Ok(());
        }
        let reports = self.pipeline.sync(keys, Cause::Sync, rerun, self.deadline);
        for report in reports.await {
            self.summary.add(report);
        }
        if Instant::now() >= self.deadline {
            return Err(OUT_OF_TIME.to_owned());
        }
        Ok(())
    }

    /// Says what would become of these objects, with their records as they were looked up.
    pub(super) async fn preview(&mut self, due: Vec<Candidate>, rerun: Rerun) -> Result<(), Stop> {
        let (pipeline, plugins) = (self.pipeline, Arc::clone(&self.plugins));
        let plugins = &plugins;
        let previews = due.into_iter().map(|candidate| async move {
            let Candidate { key, record, .. } = candidate;
            pipeline.preview(&key, &record, plugins, rerun).await
        });
        let concurrency = pipeline.settings().concurrency;
        let mut previews = futures::stream::iter(previews).buffer_unordered(concurrency);
        loop {
            match tokio::time::timeout_at(self.deadline.into(), previews.next()).await {
                Ok(Some(report)) => self.summary.add(report),
                Ok(None) => return Ok(()),
                Err(_) => return Err(OUT_OF_TIME.to_owned()),
            }
        }
    }

    async fn dispatch(&mut self, queue: &Queue, keys: Vec<String>) -> Result<(), Stop> {
        let work = keys.chunks(KEYS_IN_MESSAGE).map(|keys| Work {
            bucket: self.pipeline.settings().bucket.clone(),
            keys: keys.to_vec(),
        });
        let work: Vec<Work> = work.collect();
        before(self.deadline, queue.send(&work)).await?;
        self.summary.queued += u64::try_from(keys.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

fn keys(candidates: Vec<Candidate>) -> Vec<String> {
    candidates
        .into_iter()
        .map(|candidate| candidate.key)
        .collect()
}

/// Does `work` unless it takes longer than until `deadline`.
pub(super) async fn before<T, E>(
    deadline: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Stop>
where
    ChangeError: From<E>,
{
    match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(ChangeError::from(error).to_string()),
        Err(_) => Err(OUT_OF_TIME.to_owned()),
    }
}

fn stopped(place: &Start, why: &str) -> Stop {
    format!("stopped {place}, call again for the rest: {why}")
}
