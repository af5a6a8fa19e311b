//! What a full sync would change, by object and key: a dry run tells it of the first objects.

use super::change::Counts;
use super::object::{Comparison, Outcome, Previewed};
use super::page::FULL_BYTES;
use crate::handler::answer_size::json_size;
use crate::pipeline::{ChangeError, Pipeline};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use std::time::Instant;
use tokio::time::timeout_at;

/// What would change.
#[derive(Default, Serialize)]
pub(crate) struct Plan {
    /// Redis keys of these objects, by kind of change.
    keys: Counts,
    /// The objects that would change, as a preview tells them. One that fails yields a key that belongs to
    /// another object now: it fails unless that one gives the key up.
    objects: Vec<Previewed>,
    /// Objects of which nothing is told, for want of room or time.
    left_out: u64,
}

/// Says what would change in these objects, which a dry run has found to be due, out of `due` in all. They
/// are evaluated again: only what Redis holds now is compared with what they yield.
pub(crate) async fn plan(
    pipeline: &Pipeline,
    mut keys: Vec<String>,
    due: u64,
    deadline: Instant,
) -> Result<Plan, ChangeError> {
    keys.sort_unstable();
    let plugins = pipeline.plugin_list().await?;
    let comparison = Comparison::new(pipeline, &plugins, false);
    let (mut plan, mut told, mut bytes) = (Plan::default(), 0_u64, 0);
    let mut compared: Vec<BoxFuture<'_, _>> = Vec::with_capacity(keys.len());
    for key in &keys {
        compared.push(comparison.object_or_gone(key).boxed());
    }
    let mut compared = futures::stream::iter(compared).buffered(pipeline.settings().concurrency);
    while let Ok(Some(object)) = timeout_at(deadline.into(), compared.next()).await {
        let more = json_size(&object);
        if bytes + more > FULL_BYTES {
            break;
        }
        (bytes, told) = (bytes + more, told + 1);
        plan.keys.add(&object.keys);
        if object.outcome != Outcome::Unchanged {
            plan.objects.push(object);
        }
    }
    plan.left_out = due.saturating_sub(told);
    Ok(plan)
}
