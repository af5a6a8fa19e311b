//! What a module would change that is no plugin yet: an evaluation that writes nothing.
//!
//! `{"preview": {"module": "plugins/.candidates/x.wasm", "prefix": "flags/", "after": ""}}` runs that module in
//! the place of the plugin of the route `flags/` on the objects under it, and compares with what Redis
//! holds. It answers
//!
//! ```json
//! {"plugin": "flags.wasm", "sha256": "…", "message": "3 objects: 1 would change, 1 would fail",
//! "counts": {"changed": 1, "unchanged": 1, "failed": 1},
//!  "keys": {"added": 0, "changed": 1, "removed": 0}, "next": "flags/c.json",
//!  "objects": [{"key": "flags/a.json", "outcome": "changed", "error": null, "fails_now": false,
//!               "fuel": 19306, "fuel_limit": 5000000000, "time_ms": 1.3, "left_out": 0,
//!               "changes": [{"key": "flags", "change": "changed", "type": "hash", "bytes_before": 12, "bytes_after": 13,
//!                            "elements": {"added": 0, "changed": 1, "removed": 0},
//!                            "fields": [{"field": "dark", "change": "changed", "bytes_before": 2, "bytes_after": 3}]}]}]}
//! ```
//!
//! An outcome is `changed`, `unchanged` or `failed`; a key that belongs to another object is a failure, also
//! where that one would give it up. `fails_now` says that the object's last attempt has failed as well.
//! `next` is there where it did not reach the end: the key to go on `after`. Values are told only with
//! `"show_values": true`, and never those of keys that Redis Sync did not write.
//!
//! `"plugin"` names the plugin, where the route has several; `"sample": 100` takes so many objects, the same ones each time;
//! `"keep_compiled": true` keeps the module's machine code for other processes, which is all that is ever
//! written.

mod change;
mod compare;
mod object;
mod objects;
mod page;
mod plan;

pub(super) use plan::{Plan, plan};

use super::error::HandlerError;
use crate::event::PreviewRequest;
use crate::pipeline::{ChangeError, Pipeline};
use crate::route::{Candidate, CandidateModule, PluginList};
use crate::text::clip;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object::Comparison;
use objects::Objects;
use page::Page;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout_at;

/// Of a module that lies in the bucket.
pub(super) async fn answer(
    pipeline: &Pipeline,
    request: &PreviewRequest,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let prefix = &pipeline.settings().plugins_prefix;
    if !request.module.starts_with(prefix) || !request.module.ends_with(".wasm") {
        return Err(HandlerError::NotPreviewed(format!(
            "`{}` is no module: its key begins with `{prefix}` and ends with `.wasm`",
            clip(&request.module)
        )));
    }
    run(pipeline, request, None, deadline).await
}

/// What a module would change that is in hand: the same for callers that are no function.
pub async fn preview(
    pipeline: &Pipeline,
    request: &PreviewRequest,
    module: Bytes,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    run(pipeline, request, Some(module), deadline).await
}

async fn run(
    pipeline: &Pipeline,
    request: &PreviewRequest,
    module: Option<Bytes>,
    deadline: Instant,
) -> Result<Value, HandlerError> {
    let set_up = set_up(pipeline, request, module);
    let set_up = timeout_at(deadline.into(), set_up).await;
    let (plugin, plugins, sha256) = set_up.map_err(|_| HandlerError::Late)??;
    let mut page = Page::new(request);
    let mut objects = Objects::new(pipeline, request, &plugins, &plugin);
    fill(
        pipeline,
        request,
        &plugins,
        &mut objects,
        &mut page,
        deadline,
    )
    .await?;
    Ok(page.answer(&plugin, &sha256))
}

/// The plugin that the module is to be, the list with it in that place, and its SHA-256.
async fn set_up(
    pipeline: &Pipeline,
    request: &PreviewRequest,
    module: Option<Bytes>,
) -> Result<(String, PluginList, Arc<str>), HandlerError> {
    let plugins = pipeline.plugin_list().await?;
    let plugin = plugins
        .plugin_of(&request.prefix, request.plugin.as_deref())
        .map_err(HandlerError::NotPreviewed)?;
    let candidate = match module {
        None => pipeline.stored_candidate(&plugin, &request.module).await?,
        Some(bytes) => Candidate {
            etag: crate::fingerprint::sha256(&bytes),
            plugin: plugin.clone(),
            module: CandidateModule::Given(bytes),
        },
    };
    let keep = request.keep_compiled;
    let (plugins, sha256) = pipeline.with_candidate(&plugins, candidate, keep).await?;
    Ok((plugin, plugins, sha256))
}

/// Tries objects until there are no more, the page is full, or the time is nearly over.
async fn fill(
    pipeline: &Pipeline,
    request: &PreviewRequest,
    plugins: &PluginList,
    objects: &mut Objects<'_>,
    page: &mut Page,
    deadline: Instant,
) -> Result<(), HandlerError> {
    let comparison = Comparison::new(pipeline, plugins, request.show_values);
    let in_time = timeout_at(deadline.into(), async {
        while let Some(batch) = objects.next().await? {
            let records = pipeline.ledger().records(&batch.keys).await?;
            let mut tried: Vec<BoxFuture<'_, _>> = Vec::new();
            for (key, record) in batch.keys.iter().zip(&records) {
                tried.push(comparison.object(key, record.error.is_some()).boxed());
            }
            // In order, so that where the page ends is where the next one begins.
            let mut tried = futures::stream::iter(tried).buffered(pipeline.settings().concurrency);
            while let Some(object) = tried.next().await {
                if !page.add(object) {
                    return Ok(());
                }
            }
            page.reach(batch.last);
        }
        page.end();
        Ok::<(), ChangeError>(())
    });
    match in_time.await {
        Ok(ended) => Ok(ended?),
        Err(_) if page.has_got_on() => Ok(()),
        Err(_) => Err(HandlerError::Late),
    }
}
