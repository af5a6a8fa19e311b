//! What all channels have in common: changes in, what became of each of them out.

use crate::event::Change;
use crate::full_sync::PluginChange;
use crate::pipeline::{Pipeline, Rerun};
use crate::report::ObjectReport;
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

/// Carries out changes, however many of them are of one key with one read of it.
pub(super) async fn apply<'a>(
    pipeline: &Pipeline,
    changes: impl IntoIterator<Item = &'a Change>,
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
    let reports: HashMap<String, ObjectReport> = sync_changed(pipeline, keys, deadline)
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

/// Carries out changes of these keys of the bucket: config objects first, then the objects that changed
/// plugins affect. A report a key, but for those that are of no concern.
pub async fn sync_changed(
    pipeline: &Pipeline,
    keys: BTreeSet<&str>,
    deadline: Instant,
) -> Vec<ObjectReport> {
    let settings = pipeline.settings();
    let (objects, others): (Vec<&str>, Vec<&str>) =
        keys.into_iter().partition(|key| settings.is_config(key));
    let plugins: Vec<&str> = others
        .into_iter()
        .filter(|key| key.starts_with(&settings.plugins_prefix))
        .collect();
    let change = PluginChange::begin(pipeline, &plugins, deadline).await;
    let objects = objects.into_iter().map(str::to_owned).collect();
    let mut reports = pipeline.sync(objects, Rerun::IfChanged, deadline).await;
    match change {
        // Seldom: it is not to make the future of every event larger.
        Ok(change) => reports.extend(Box::pin(change.sync(pipeline, deadline)).await),
        Err(failed) => reports.extend(failed),
    }
    reports
}

/// A change of another bucket.
fn refused(change: &Change, ours: &str) -> ObjectReport {
    let bucket = change.bucket.as_deref().unwrap_or_default();
    let why = format!("the event is of the bucket `{bucket}`; this function serves `{ours}`");
    ObjectReport::failed(&change.key, &why)
}
