//! Many objects at a time: bounded, before a deadline, and none of them in another's way.

use super::error::ChangeError;
use super::object::Task;
use super::objects::{Begun, Objects};
use crate::invocation;
use crate::report::ObjectReport;
use crate::route::Resolution;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::time::Instant;
use tokio_util::task::AbortOnDropHandle;

const NOT_FINISHED: &str = "not finished: the invocation's time is nearly over";

/// Brings each of these objects up to date, `concurrency` at a time, none started after the deadline.
/// One report an object, in the order in which they end.
///
/// An object takes its place only when its plugins are loaded, so that those which wait for a module
/// that takes long to compile hold up no others.
pub(super) async fn sync(
    objects: &Objects,
    keys: Vec<String>,
    task: Task,
    concurrency: usize,
) -> Vec<ObjectReport> {
    let deadline = task.deadline;
    if keys.is_empty() {
        return Vec::new();
    }
    // What is polled once, however late, sends for tickets.
    if Instant::now() >= deadline {
        return keys.into_iter().map(ObjectReport::not_started).collect();
    }
    let begun = match tokio::time::timeout_at(deadline.into(), objects.begin(&keys)).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => return all_failed(keys, &error),
        Err(_) => return keys.into_iter().map(ObjectReport::not_started).collect(),
    };
    let groups = by_plugins(keys.into_iter().zip(begun));
    let every = groups.len();
    let loading = groups
        .into_iter()
        .map(|(plugins, group)| loaded(objects, plugins, group, deadline));
    futures::stream::iter(loading)
        .buffer_unordered(every)
        .flat_map(futures::stream::iter)
        .map(|ready| async move {
            match ready {
                Ok((key, begun)) => sync_isolated(objects.clone(), key, begun, task).await,
                Err(late) => late,
            }
        })
        .buffer_unordered(concurrency)
        .collect()
        .await
}

/// An object that has its ticket.
type Started = (String, Begun);

/// The objects, by the plugins of their routes.
fn by_plugins(objects: impl Iterator<Item = Started>) -> BTreeMap<Vec<String>, Vec<Started>> {
    let mut groups: BTreeMap<Vec<String>, Vec<Started>> = BTreeMap::new();
    for (key, begun) in objects {
        let plugins = match begun.plugins.resolve(&key) {
            Resolution::Route(route) => route.plugins.clone(),
            Resolution::Unmatched | Resolution::Broken(_) => Vec::new(),
        };
        groups.entry(plugins).or_default().push((key, begun));
    }
    groups
}

/// The same objects when their plugins are loaded, or their reports where that takes until the
/// deadline. A plugin that cannot be loaded is told by the first object that needs it.
async fn loaded(
    objects: &Objects,
    plugins: Vec<String>,
    mut group: Vec<Started>,
    deadline: Instant,
) -> Vec<Result<Started, ObjectReport>> {
    let started = Instant::now();
    if let ([_, ..], Some((key, begun))) = (plugins.as_slice(), group.first()) {
        let load = objects.evaluator.load(key, &begun.plugins);
        if tokio::time::timeout_at(deadline.into(), load)
            .await
            .is_err()
        {
            let why = format!(
                "not started: its plugins ({}) are not loaded yet, and the invocation's time is nearly over",
                plugins.join(",")
            );
            let late = |(key, _): Started| Err(late(&key, &why));
            return group.into_iter().map(late).collect();
        }
    }
    for (_, begun) in &mut group {
        begun.loading = started.elapsed();
    }
    group.into_iter().map(Ok).collect()
}

/// One object in a task of its own, so that a panic fails it and no other. A task that is aborted
/// may have committed already: that is reported as failed, and repeating it is safe.
async fn sync_isolated(objects: Objects, key: String, begun: Begun, task: Task) -> ObjectReport {
    let deadline = task.deadline;
    if Instant::now() >= deadline {
        return ObjectReport::not_started(key);
    }
    let name = key.clone();
    let syncing = invocation::spawn(async move { objects.sync(&key, begun, task).await });
    // Nor does it go on where nobody waits for it any more.
    let syncing = AbortOnDropHandle::new(syncing);
    match tokio::time::timeout_at(deadline.into(), syncing).await {
        Ok(Ok(report)) => report,
        Ok(Err(_panic)) => ObjectReport::failed(name, "the host panicked on it"),
        Err(_) => late(&name, NOT_FINISHED),
    }
}

/// None of them was begun.
fn all_failed(keys: Vec<String>, error: &ChangeError) -> Vec<ObjectReport> {
    let objects = keys.len();
    tracing::error!(objects, error = %error, "objects failed before they were begun");
    keys.into_iter().map(|key| error.report(key)).collect()
}

fn late(key: &str, why: &str) -> ObjectReport {
    ObjectReport::failed(key, why).late()
}

#[cfg(test)]
mod tests {
    use crate::pipeline::{Cause, Pipeline, Rerun};
    use crate::settings;
    use aws_config::{BehaviorVersion, SdkConfig};
    use redis_sync_local::Redis;
    use std::path::Path;
    use std::time::Instant;

    /// A ticket that nobody commits under has the next full sync read the object again.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_ticket_is_taken_after_the_deadline() {
        let redis = Redis::start().await.unwrap();
        let port = redis.port().to_string();
        let settings = settings::tests::read(&[
            ("CONFIG_BUCKET_NAME", "config"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ]);
        let nowhere = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .build();
        let pipeline =
            Pipeline::with_parts(settings.unwrap(), &nowhere, Path::new("/nowhere")).unwrap();
        let keys = ["a".to_owned()];
        // What is sent before this is answered has been carried out then; and it is connected from now on.
        let carried_out = || pipeline.ledger().records(&keys);
        carried_out().await.unwrap();
        // Whether what has been given up is sent all the same is a matter of microseconds.
        for _ in 0..2000 {
            let (cause, rerun) = (Cause::Sync, Rerun::IfChanged);
            let reports = pipeline.sync(keys.to_vec(), cause, rerun, Instant::now());
            assert!(reports.await.iter().all(|report| report.late));
        }
        carried_out().await.unwrap();
        let kept = redis.command(&["KEYS", "redis-sync:*"]).await.unwrap();
        assert_eq!(kept, "");
    }
}
