//! What all channels have in common: changes in, what became of each of them out.

use crate::event::Change;
use crate::pipeline::Pipeline;
use crate::report::ObjectReport;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// Carries out changes, however many of them are of one key with one read of it. What became of
/// each, in their order; `None` for a change that concerns nothing, such as a compiled module's.
pub(super) async fn apply<'a>(
    pipeline: &Arc<Pipeline>,
    changes: impl IntoIterator<Item = &'a Change>,
    deadline: Instant,
) -> Vec<Option<ObjectReport>> {
    let changes: Vec<&Change> = changes.into_iter().collect();
    let settings = pipeline.settings();
    let is_ours = |change: &Change| {
        let bucket = change.bucket.as_deref();
        bucket.is_none_or(|bucket| bucket == settings.bucket)
    };
    let ours: BTreeSet<&str> = changes
        .iter()
        .filter(|change| is_ours(change))
        .map(|change| change.key.as_str())
        .collect();
    let (objects, others): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|key| settings.is_config(key));
    let objects = objects.into_iter().map(str::to_owned).collect();
    let mut reports = pipeline.sync(objects, deadline).await;
    let plugins: Vec<&str> = others
        .into_iter()
        .filter(|key| key.starts_with(&settings.plugins_prefix))
        .collect();
    reports.extend(pipeline.plugins_changed(&plugins, deadline).await);
    let by_key: HashMap<&str, &ObjectReport> = reports
        .iter()
        .map(|report| (report.key.as_str(), report))
        .collect();
    let outcome = |change: &Change| {
        if is_ours(change) {
            by_key
                .get(change.key.as_str())
                .map(|report| (*report).clone())
        } else {
            Some(foreign(change, &settings.bucket))
        }
    };
    changes.into_iter().map(outcome).collect()
}

fn foreign(change: &Change, ours: &str) -> ObjectReport {
    let bucket = change.bucket.as_deref().unwrap_or_default();
    let why = format!("the event is of the bucket `{bucket}`; this function serves `{ours}`");
    ObjectReport::failed(&change.key, &why)
}
