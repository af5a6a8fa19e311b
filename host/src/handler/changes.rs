//! What all channels have in common: changes in, what became of each of them out.

use crate::event::{Change, Origin, Origins};
use crate::full_sync::PluginChange;
use crate::pipeline::{Cause, Pipeline, Rerun};
use crate::report::{ObjectReport, Reason};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// What became of changes.
pub(super) struct Outcomes(HashMap<Change, ObjectReport>);

impl Outcomes {
    /// What became of a change; `None` where it concerns nothing, such as a compiled module's.
    pub(super) fn of(&self, change: &Change) -> Option<&ObjectReport> {
        self.0.get(change)
    }

    /// Whether none of these changes failed.
    pub(super) fn are_done<'a>(&self, mut changes: impl Iterator<Item = &'a Change>) -> bool {
        changes.all(|change| {
            self.of(change)
                .is_none_or(|report| report.failure().is_none())
        })
    }
}

/// Who sends changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// S3 has made them now.
    S3,
    /// A job that goes through objects which may have been there for long.
    Job,
    /// The function itself. It sends objects: whatever else is named as its work changes nothing, so that
    /// no work makes more work.
    Function,
}

impl Sender {
    fn cause(self) -> Cause {
        match self {
            Self::S3 => Cause::Event,
            Self::Job | Self::Function => Cause::Sync,
        }
    }

    /// What it sends is brought up to date where it is not.
    pub(super) fn as_is(self) -> Task {
        Task {
            sender: self,
            rerun: Rerun::IfChanged,
        }
    }
}

/// What is to be done with changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// Who sends them.
    pub(super) sender: Sender,
    /// Whether plugins run although nothing has changed.
    pub(super) rerun: Rerun,
}

/// Carries out changes, however many of them are of one key with one read of it.
pub(super) async fn apply<'a>(
    pipeline: &Pipeline,
    changes: impl IntoIterator<Item = &'a Change>,
    origins: impl IntoIterator<Item = &'a Origin>,
    task: Task,
    deadline: Instant,
) -> Outcomes {
    let changes: BTreeSet<&Change> = changes.into_iter().collect();
    let settings = pipeline.settings();
    let is_ours = |change: &Change| {
        let bucket = change.bucket.as_deref();
        bucket.is_none_or(|bucket| bucket == settings.bucket)
    };
    let (ours, foreign): (Vec<&Change>, Vec<&Change>) =
        changes.into_iter().partition(|change| is_ours(change));
    let origins = match settings.record_principals {
        true => Origins::in_bucket(origins, &settings.bucket),
        false => Origins::default(),
    };
    let keys: BTreeSet<&str> = ours.iter().map(|change| change.key.as_str()).collect();
    let reports: HashMap<String, ObjectReport> = sync(pipeline, keys, origins, task, deadline)
        .await
        .into_iter()
        .map(|report| (report.key.clone(), report))
        .collect();
    let of_ours = ours
        .into_iter()
        .filter_map(|change| Some((change.clone(), reports.get(&change.key)?.clone())));
    let of_foreign = foreign
        .into_iter()
        .map(|change| (change.clone(), refused(change, &settings.bucket)));
    Outcomes(of_ours.chain(of_foreign).collect())
}

/// Carries out changes of these keys of the bucket, as an event tells them. A report a key, but for those
/// that are of no concern.
pub async fn sync_changed(
    pipeline: &Pipeline,
    keys: BTreeSet<&str>,
    deadline: Instant,
) -> Vec<ObjectReport> {
    let task = Sender::S3.as_is();
    sync(pipeline, keys, Origins::default(), task, deadline).await
}

/// Config objects first, then the objects that changed plugins affect.
async fn sync(
    pipeline: &Pipeline,
    keys: BTreeSet<&str>,
    origins: Origins,
    task: Task,
    deadline: Instant,
) -> Vec<ObjectReport> {
    let settings = pipeline.settings();
    let (objects, others): (Vec<&str>, Vec<&str>) =
        keys.into_iter().partition(|key| settings.is_config(key));
    let objects = objects.into_iter().map(str::to_owned).collect();
    let told = &Arc::new(origins);
    let how = (task.sender.cause(), task.rerun);
    if task.sender == Sender::Function {
        return sync_objects(pipeline, objects, told, how, deadline).await;
    }
    let plugins: Vec<&str> = others
        .into_iter()
        .filter(|key| key.starts_with(&settings.plugins_prefix))
        .collect();
    let change = PluginChange::begin(pipeline, &plugins, deadline).await;
    let mut reports = sync_objects(pipeline, objects, told, how, deadline).await;
    let of_plugins = match change {
        // Seldom: it is not to make the future of every event larger.
        Ok(change) => Box::pin(change.sync(pipeline, told, deadline)).await,
        Err(failed) => failed,
    };
    let failed = of_plugins
        .iter()
        .filter(|report| report.failure().is_some());
    for failed in failed {
        let (plugin, error) = (&failed.key, failed.error.as_deref());
        tracing::error!(
            plugin,
            error,
            "what a changed plugin affects is not up to date"
        );
    }
    reports.extend(of_plugins);
    reports
}

/// Brings objects up to date. Those for which there is no time count as failed.
async fn sync_objects(
    pipeline: &Pipeline,
    objects: Vec<String>,
    origins: &Arc<Origins>,
    how: (Cause, Rerun),
    deadline: Instant,
) -> Vec<ObjectReport> {
    let reports = pipeline.sync_told(objects, origins, how, deadline).await;
    let late: Vec<&ObjectReport> = reports.iter().filter(|report| report.late).collect();
    late.iter().for_each(|report| report.count());
    if let Some(first) = late.first() {
        let (objects, object) = (late.len(), &first.key);
        let error = first.error.as_deref();
        tracing::error!(objects, object, error, "objects were not done in time");
    }
    reports
}

/// A change of another bucket.
fn refused(change: &Change, ours: &str) -> ObjectReport {
    let bucket = change.bucket.as_deref().unwrap_or_default();
    let why = format!("the event is of the bucket `{bucket}`; this function serves `{ours}`");
    let report = ObjectReport::failed(&change.key, &why).because(Reason::Bucket);
    report.count();
    let (object, error) = (&report.key, report.error.as_deref());
    tracing::error!(
        object,
        reason = report.reason.name(),
        error,
        "object failed"
    );
    report
}
