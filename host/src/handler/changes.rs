//! What all channels have in common: changes in, what became of each of them out.

use crate::event::Change;
use crate::full_sync::PluginChange;
use crate::pipeline::{Cause, Pipeline, Rerun};
use crate::report::{ObjectReport, Reason};
use std::collections::{BTreeSet, HashMap};
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

/// Whose changes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// S3 has made them now.
    Event,
    /// Somebody goes through objects that may have been there for long.
    Job,
    /// The function has sent them to itself. It sends objects: whatever else is named as its work changes
    /// nothing, so that no work makes more work.
    Work,
}

impl Origin {
    fn cause(self) -> Cause {
        match self {
            Self::Event => Cause::Event,
            Self::Job | Self::Work => Cause::Sync,
        }
    }
}

/// Carries out changes, however many of them are of one key with one read of it.
pub(super) async fn apply<'a>(
    pipeline: &Pipeline,
    changes: impl IntoIterator<Item = &'a Change>,
    origin: Origin,
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
    let keys: BTreeSet<&str> = ours.iter().map(|change| change.key.as_str()).collect();
    let reports: HashMap<String, ObjectReport> = sync(pipeline, keys, origin, deadline)
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
    sync(pipeline, keys, Origin::Event, deadline).await
}

/// Config objects first, then the objects that changed plugins affect.
async fn sync(
    pipeline: &Pipeline,
    keys: BTreeSet<&str>,
    origin: Origin,
    deadline: Instant,
) -> Vec<ObjectReport> {
    let settings = pipeline.settings();
    let (objects, others): (Vec<&str>, Vec<&str>) =
        keys.into_iter().partition(|key| settings.is_config(key));
    let objects = objects.into_iter().map(str::to_owned).collect();
    let (cause, rerun) = (origin.cause(), Rerun::IfChanged);
    if origin == Origin::Work {
        return pipeline.sync(objects, cause, rerun, deadline).await;
    }
    let plugins: Vec<&str> = others
        .into_iter()
        .filter(|key| key.starts_with(&settings.plugins_prefix))
        .collect();
    let change = PluginChange::begin(pipeline, &plugins, deadline).await;
    let mut reports = pipeline.sync(objects, cause, rerun, deadline).await;
    let of_plugins = match change {
        // Seldom: it is not to make the future of every event larger.
        Ok(change) => Box::pin(change.sync(pipeline, deadline)).await,
        Err(failed) => failed,
    };
    let failed = of_plugins.iter().filter(|report| report.failure().is_some());
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
