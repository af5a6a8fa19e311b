//! Many objects at a time: bounded, before a deadline, and none of them in another's way.

use super::error::ChangeError;
use super::evaluate::Rerun;
use super::object::{Begun, Objects};
use crate::report::ObjectReport;
use futures::StreamExt;
use std::time::Instant;

const NOT_STARTED: &str = "not started: the invocation's time is nearly over";
const NOT_FINISHED: &str = "not finished: the invocation's time is nearly over";

/// Brings each of these objects up to date, `concurrency` at a time, none started after `deadline`.
/// One report an object, in the order in which they end.
pub(super) async fn sync(
    objects: &Objects,
    keys: Vec<String>,
    rerun: Rerun,
    concurrency: usize,
    deadline: Instant,
) -> Vec<ObjectReport> {
    if keys.is_empty() {
        return Vec::new();
    }
    let begun = match tokio::time::timeout_at(deadline.into(), objects.begin(&keys)).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => return all_failed(keys, &error),
        Err(_) => return keys.iter().map(|key| late(key, NOT_STARTED)).collect(),
    };
    let changes = keys
        .into_iter()
        .zip(begun)
        .map(|(key, begun)| sync_isolated(objects.clone(), key, begun, rerun, deadline));
    futures::stream::iter(changes)
        .buffer_unordered(concurrency)
        .collect()
        .await
}

/// One object in a task of its own, so that a panic fails it and no other. A task that is aborted
/// may have committed already: that is reported as failed, and repeating it is safe.
async fn sync_isolated(
    objects: Objects,
    key: String,
    begun: Begun,
    rerun: Rerun,
    deadline: Instant,
) -> ObjectReport {
    if Instant::now() >= deadline {
        return late(&key, NOT_STARTED);
    }
    let name = key.clone();
    let task = tokio::spawn(async move { objects.sync(&key, begun, rerun).await });
    let abort = task.abort_handle();
    match tokio::time::timeout_at(deadline.into(), task).await {
        Ok(Ok(report)) => report,
        Ok(Err(_panic)) => ObjectReport::failed(name, "the host panicked on it"),
        Err(_) => {
            abort.abort();
            late(&name, NOT_FINISHED)
        }
    }
}

fn all_failed(keys: Vec<String>, error: &ChangeError) -> Vec<ObjectReport> {
    keys.into_iter().map(|key| error.report(key)).collect()
}

fn late(key: &str, why: &str) -> ObjectReport {
    ObjectReport::failed(key, why).temporary()
}
