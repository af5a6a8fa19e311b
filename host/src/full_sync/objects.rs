//! Going through the objects of a span: what is not up to date is synced, tried without writing, or queued.

use super::merge::{Merge, Objects};
use super::mode::{By, Mode};
use super::span::Span;
use super::summary::Summary;
use super::up_to_date::{self, Artifacts, Candidate, Compare};
use crate::event::Chain;
use crate::invocation::{self, soon_after};
use crate::ledger::Start;
use crate::number::to_u64;
use crate::pipeline::{Cause, ChangeError, Pipeline, Rerun};
use crate::queue::{MESSAGES_AT_ONCE, Queue};
use crate::report::{ObjectReport, Outcome};
use crate::route::PluginList;
use crate::work::Work;
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Keys in one message. Few enough that one bad object holds up few others.
const KEYS_IN_MESSAGE: usize = 25;

/// Requests to the queue that are under way at a time.
const SENT_AT_ONCE: usize = 8;

/// Objects that come last, at the most: more of them are handled when they are met.
const MAX_LAST: usize = 10_000;

/// Why nothing more is started.
const OUT_OF_TIME: &str = "the invocation's time is nearly over";

/// Why an object that came last was not reached.
const NOT_TRIED_AGAIN: &str =
    "its plugin failed on it before, so it comes last, and the invocation's time is nearly over";

/// Why a full sync ends before its end.
pub(crate) type Stop = String;

/// A full sync on its way.
pub(super) struct FullSync<'a> {
    /// Has the bucket, Redis, and the way of one object.
    pub(super) pipeline: &'a Pipeline,
    /// The objects it goes through.
    pub(super) span: &'a Span,
    /// What is done with those that may not be up to date.
    pub(super) mode: Mode<'a>,
    /// How it is found out which these are.
    compare: Compare,
    /// After this nothing more is started.
    pub(super) deadline: Instant,
    /// After this, what is not done goes to the queue, where there is one.
    half_time: Instant,
    /// After this nothing is noted any more.
    pub(super) end: Instant,
    /// The plugin list that listed objects are compared with.
    plugins: Arc<PluginList>,
    /// Objects of the page in hand that were passed over, since they are up to date.
    passed_over: BTreeSet<String>,
    /// Objects that come last: those that are likely to fail again, some of them slowly.
    last: Vec<String>,
    /// Of a pass over those that came last: since when what has failed has been tried in it.
    last_since: Option<u64>,
    /// What has become of the objects so far.
    pub(super) summary: Summary,
}

impl<'a> FullSync<'a> {
    /// Reads the plugin list, once: an object that is compared with an older list than the present
    /// one at worst takes the way of the changed. Unless it is a dry run, nobody uses an older one from
    /// now on: what a lost event did not tell, a full sync does.
    pub(super) async fn begin(
        pipeline: &'a Pipeline,
        span: &'a Span,
        mode: Mode<'a>,
        compare: Compare,
        chain: &Chain,
        deadline: Instant,
    ) -> Result<Self, Summary> {
        let plugins = async {
            match mode {
                Mode::DryRun(_) => pipeline.plugin_list().await,
                Mode::Write(..) => pipeline.renewed_plugin_list().await,
            }
        };
        match before(deadline, Box::pin(plugins)).await {
            Ok(plugins) => Ok(Self {
                compare,
                last_since: chain.last.then_some(chain.began),
                ..Self::new(pipeline, span, mode, deadline, plugins)
            }),
            Err(why) => Err(Summary::stopped(format!("not started: {why}"))),
        }
    }

    /// One that compares keys, with this plugin list.
    pub(super) fn new(
        pipeline: &'a Pipeline,
        span: &'a Span,
        mode: Mode<'a>,
        deadline: Instant,
        plugins: Arc<PluginList>,
    ) -> Self {
        let now = Instant::now();
        Self {
            pipeline,
            span,
            mode,
            compare: Compare::Keys,
            deadline,
            half_time: now + deadline.saturating_duration_since(now) / 2,
            end: soon_after(deadline),
            plugins,
            passed_over: BTreeSet::new(),
            last: Vec::new(),
            last_since: None,
            summary: Summary::default(),
        }
    }

    /// Goes through listing and index. The summary says where it stopped, if it did.
    pub(super) async fn objects(&mut self) {
        let pipeline = self.pipeline;
        let (store, ledger) = (pipeline.store(), pipeline.ledger());
        let reads_all = self.compare == Compare::Contents;
        let in_parts = reads_all || self.mode.rerun() == Rerun::Always;
        let mut merge = Merge::new(store, ledger, pipeline.settings(), self.span, in_parts);
        match self.go_through(&mut merge).await {
            Ok(()) => {
                let front = || self.span.front().to_owned();
                self.summary.reached.get_or_insert_with(front);
            }
            Err(why) => {
                let place = match &self.summary.reached {
                    Some(key) => format!("after `{key}`"),
                    None => String::from("at the start"),
                };
                self.summary.stopped =
                    Some(format!("stopped {place}, call again for the rest: {why}"));
            }
        }
    }

    /// Handles the objects that come last, as far as there is time. What is not reached is put off, and reported so.
    pub(super) async fn end_with_last(&mut self) {
        let last = std::mem::take(&mut self.last);
        let late = match self.mode {
            Mode::Write(rerun, _) if self.summary.stopped.is_none() => {
                let late = self.write_until(self.deadline, last, rerun).await;
                late.into_iter().map(|report| report.key).collect()
            }
            _ => last,
        };
        self.summary.put_off += to_u64(late.len());
        let late = late
            .into_iter()
            .map(|key| ObjectReport::failed(key, NOT_TRIED_AGAIN).late());
        late.for_each(|report| self.summary.add(report));
    }

    async fn go_through(&mut self, merge: &mut Merge<'_>) -> Result<(), Stop> {
        while let Some(objects) = before(self.deadline, merge.next()).await? {
            let started = Instant::now();
            let is_listed = matches!(objects, Objects::Present(_));
            let candidates = match objects {
                Objects::Present(listed) => {
                    tracing::info!(
                        prefix = self.span.prefix(),
                        place = %merge.place(),
                        progress = %self.summary,
                        "full sync"
                    );
                    self.passed_over.clear();
                    let (plugins, artifacts) = (&self.plugins, self.artifacts());
                    let compared = up_to_date::compare(
                        self.pipeline,
                        listed,
                        plugins,
                        artifacts,
                        self.compare,
                    );
                    before(self.deadline, compared).await?
                }
                Objects::Missing(keys) => {
                    before(self.deadline, up_to_date::missing(self.pipeline, keys)).await?
                }
                Objects::Unindexed(keys) => {
                    if self.last_since.is_none() {
                        self.index(keys).await?;
                    }
                    continue;
                }
            };
            self.handle(candidates).await?;
            if is_listed {
                merge.took(started.elapsed());
            }
            if let Start::After(key) = merge.place() {
                self.summary.reached = Some(key.clone());
            }
        }
        Ok(())
    }

    /// Whether it writes anything.
    pub(super) fn writes(&self) -> bool {
        matches!(self.mode, Mode::Write(..))
    }

    fn artifacts(&self) -> Artifacts {
        match self.mode {
            Mode::DryRun(_) => Artifacts::Leave,
            Mode::Write(..) => Artifacts::Keep,
        }
    }

    /// Skips what may be skipped, and does with the others what the mode says.
    async fn handle(&mut self, candidates: Vec<Candidate>) -> Result<(), Stop> {
        if let (Some(since), Mode::Write(rerun, by)) = (self.last_since, self.mode) {
            let is_left = |one: &Candidate| one.fails_again && one.record.error_at < Some(since);
            let left = candidates.into_iter().filter(is_left).collect();
            return self.write(keys(left), rerun, by).await;
        }
        let always = self.mode.rerun() == Rerun::Always;
        let (due, passed_over): (Vec<Candidate>, Vec<Candidate>) = candidates
            .into_iter()
            .partition(|candidate| always || !candidate.is_up_to_date);
        self.skip(passed_over.len());
        self.passed_over.extend(keys(passed_over));
        let drifted = due.iter().filter(|candidate| candidate.has_drifted);
        self.summary.drifted += to_u64(drifted.count());
        let Mode::Write(rerun, by) = self.mode else {
            return self.dry_run(due).await;
        };
        let (rewrite, due): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|candidate| candidate.rewrite);
        self.write(keys(rewrite), Rerun::Always, by).await?;
        let (mut slow, now): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|candidate| candidate.fails_again);
        // What fails slowly keeps nothing else from being done.
        let at_once = match by {
            By::Itself => {
                let room = MAX_LAST.saturating_sub(self.last.len());
                let beyond = slow.split_off(slow.len().min(room));
                self.last.extend(keys(slow));
                beyond
            }
            By::Half(queue) | By::Queue(queue) => {
                self.dispatch(queue, keys(slow), rerun).await?;
                Vec::new()
            }
        };
        let now = now.into_iter().chain(at_once).collect();
        self.write(keys(now), rerun, by).await
    }

    /// Brings objects back into the index that it has lost. They were counted when they were passed over. No
    /// others are looked after here: what was worked on has its place in the index unless that failed, which is
    /// told already, or was left to the queue or to a later call.
    async fn index(&mut self, mut lost: Vec<String>) -> Result<(), Stop> {
        lost.retain(|key| self.passed_over.contains(key));
        let (until, queue) = match self.mode {
            Mode::Write(_, By::Itself) => (self.deadline, None),
            Mode::Write(_, By::Half(queue)) => (self.half_time, Some(queue)),
            Mode::Write(_, By::Queue(_)) | Mode::DryRun(_) => return Ok(()),
        };
        let (cause, rerun) = (Cause::Sync, Rerun::IfChanged);
        let reports = self.pipeline.sync(lost, cause, rerun, until).await;
        let mut late = Vec::new();
        for report in reports {
            match queue {
                Some(_) if report.late => late.push(report.key),
                _ if report.failure().is_some() => self.summary.add(report),
                _ => {}
            }
        }
        match queue {
            Some(queue) => self.send(queue, &late, rerun).await,
            None => Ok(()),
        }
    }

    fn skip(&mut self, objects: usize) {
        let objects = to_u64(objects);
        self.summary.add_unchanged(objects);
        if self.writes() {
            invocation::count(Outcome::Unchanged.metric(), objects);
        }
    }

    /// Brings these objects up to date, or has that done.
    pub(super) async fn write(
        &mut self,
        keys: Vec<String>,
        rerun: Rerun,
        by: By<'_>,
    ) -> Result<(), Stop> {
        if keys.is_empty() {
            return Ok(());
        }
        match by {
            By::Queue(queue) => self.dispatch(queue, keys, rerun).await,
            By::Half(queue) => {
                let late = self.write_until(self.half_time, keys, rerun).await;
                let late = late.into_iter().map(|report| report.key).collect();
                self.dispatch(queue, late, rerun).await
            }
            By::Itself => {
                let late = self.write_until(self.deadline, keys, rerun).await;
                late.iter().for_each(ObjectReport::count);
                late.into_iter().for_each(|report| self.summary.add(report));
                if Instant::now() >= self.deadline {
                    return Err(OUT_OF_TIME.to_owned());
                }
                Ok(())
            }
        }
    }

    /// Brings these objects up to date, as far as there is time: the reports of those for which there is not.
    async fn write_until(
        &mut self,
        deadline: Instant,
        keys: Vec<String>,
        rerun: Rerun,
    ) -> Vec<ObjectReport> {
        let mut late = Vec::new();
        let reports = self.pipeline.sync(keys, Cause::Sync, rerun, deadline);
        for report in reports.await {
            if report.late {
                late.push(report);
            } else {
                self.summary.add(report);
            }
        }
        late
    }

    /// Says what would become of these objects, with their records as they were looked up.
    pub(super) async fn dry_run(&mut self, due: Vec<Candidate>) -> Result<(), Stop> {
        let (pipeline, plugins) = (self.pipeline, Arc::clone(&self.plugins));
        let (plugins, mode, deadline) = (&plugins, self.mode, self.deadline);
        let dry_runs = due.into_iter().map(|candidate| async move {
            let Candidate { key, record, .. } = candidate;
            let rerun = if candidate.rewrite {
                Rerun::Always
            } else {
                mode.rerun()
            };
            pipeline
                .dry_run(&key, &record, plugins, rerun, deadline)
                .await
        });
        let concurrency = pipeline.settings().concurrency;
        let mut dry_runs = futures::stream::iter(dry_runs).buffer_unordered(concurrency);
        loop {
            match tokio::time::timeout_at(self.deadline.into(), dry_runs.next()).await {
                Ok(Some(report)) => self.summary.foresee(report),
                Ok(None) => return Ok(()),
                Err(_) => return Err(OUT_OF_TIME.to_owned()),
            }
        }
    }

    /// Leaves these objects to the queue.
    async fn dispatch(
        &mut self,
        queue: &Queue,
        keys: Vec<String>,
        rerun: Rerun,
    ) -> Result<(), Stop> {
        self.send(queue, &keys, rerun).await?;
        self.summary.queued += to_u64(keys.len());
        Ok(())
    }

    async fn send(&self, queue: &Queue, keys: &[String], rerun: Rerun) -> Result<(), Stop> {
        let work = keys.chunks(KEYS_IN_MESSAGE).map(|keys| Work {
            bucket: self.pipeline.settings().bucket.clone(),
            keys: keys.to_vec(),
            force: rerun == Rerun::Always,
        });
        let work: Vec<Work> = work.collect();
        let requests = work.chunks(MESSAGES_AT_ONCE).map(Ok);
        let sent = futures::stream::iter(requests)
            .try_for_each_concurrent(SENT_AT_ONCE, |work| queue.send(work));
        before(self.deadline, sent).await
    }
}

fn keys(candidates: Vec<Candidate>) -> Vec<String> {
    candidates
        .into_iter()
        .map(|candidate| candidate.key)
        .collect()
}

/// Does `work` unless it takes longer than until `deadline`.
pub(crate) async fn before<T, E>(
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
