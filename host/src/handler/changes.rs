//! What all channels have in common: changes in, what became of each of them out.

use crate::event::{Change, Origin, Origins};
use crate::full_sync;
use crate::invocation;
use crate::pipeline::{Pipeline, Rerun};
use crate::report::{ObjectReport, Outcome};
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

/// Carries out changes, however many of them are of one key with one read of it.
pub(super) async fn apply<'a>(
    pipeline: &Pipeline,
    changes: impl IntoIterator<Item = &'a Change>,
    origins: impl IntoIterator<Item = &'a Origin>,
    rerun: Rerun,
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
    let reports: HashMap<String, ObjectReport> = sync(pipeline, keys, origins, rerun, deadline)
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

/// Config objects first, then the objects that changed plugins affect.
async fn sync(
    pipeline: &Pipeline,
    keys: BTreeSet<&str>,
    origins: Origins,
    rerun: Rerun,
    deadline: Instant,
) -> Vec<ObjectReport> {
    let settings = pipeline.settings();
    let (objects, others): (Vec<&str>, Vec<&str>) =
        keys.into_iter().partition(|key| settings.is_config(key));
    let objects = objects.into_iter().map(str::to_owned).collect();
    let told = &Arc::new(origins);
    let mut reports = pipeline.sync_told(objects, told, rerun, deadline).await;
    let late = reports.iter().filter(|report| report.late).count();
    let late = u64::try_from(late).unwrap_or(u64::MAX);
    invocation::count(Outcome::Failed.metric(), late);
    let plugins: Vec<&str> = others
        .into_iter()
        .filter(|key| key.starts_with(&settings.plugins_prefix))
        .collect();
    reports.extend(full_sync::plugins_changed(pipeline, &plugins, told, deadline).await);
    reports
}

/// A change of another bucket.
fn refused(change: &Change, ours: &str) -> ObjectReport {
    let bucket = change.bucket.as_deref().unwrap_or_default();
    let why = format!("the event is of the bucket `{bucket}`; this function serves `{ours}`");
    ObjectReport::failed(&change.key, &why)
}
