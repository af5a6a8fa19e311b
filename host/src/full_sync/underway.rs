//! Noting that a plugin has changed and not all objects have followed yet.

use super::objects::before;
use super::{Span, Summary};
use crate::event::Origins;
use crate::ledger::{ChangeNote, LedgerError, PluginUsed};
use crate::pipeline::Pipeline;
use crate::report::Outcome;
use crate::route::PluginList;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Instant;

/// Notes that these plugins have changed, each with the objects that this may affect. With a queue nothing
/// is noted: what is left to do is there.
pub(super) async fn begin(
    pipeline: &Pipeline,
    changes: &[(String, Vec<Span>)],
    plugins: &PluginList,
    deadline: Instant,
) -> Vec<Option<ChangeNote>> {
    let mut noted = Vec::with_capacity(changes.len());
    for (plugin, spans) in changes {
        if pipeline.queue().is_some() || spans.is_empty() {
            noted.push(None);
            continue;
        }
        let digest = pipeline.plugin_digest(plugin, plugins);
        let digest = tokio::time::timeout_at(deadline.into(), digest).await;
        let mut change = ChangeNote::begin(plugin, digest.unwrap_or(None));
        let note = async {
            for span in spans {
                let (prefix, exact) = (span.prefix(), span.is_exact());
                change.left += pipeline.ledger().count_indexed(prefix, exact).await?;
            }
            pipeline.ledger().note_change(&change).await?;
            Ok::<(), LedgerError>(())
        };
        noted_before(deadline, plugin, note.boxed()).await;
        noted.push(Some(change));
    }
    noted
}

/// Notes who has uploaded these plugins, where their events have told.
pub(super) async fn note_uploads(
    pipeline: &Pipeline,
    changes: &[(String, Vec<Span>)],
    plugins: &PluginList,
    origins: &Origins,
    deadline: Instant,
) {
    let prefix = &pipeline.settings().plugins_prefix;
    for (name, _) in changes {
        let etag = plugins.modules.get(name).map_or("", String::as_str);
        let Some(author) = origins.author(&format!("{prefix}{name}"), etag, None) else {
            continue;
        };
        let digest = pipeline.plugin_digest(name, plugins);
        if let Ok(Some(sha256)) = tokio::time::timeout_at(deadline.into(), digest).await {
            let name = name.clone();
            let plugin = PluginUsed { name, sha256 };
            let noted = pipeline.ledger().note_upload(&plugin, author);
            noted_before(deadline, &plugin.name, noted.boxed()).await;
        }
    }
}

/// Notes until `end` what is done of a change: that all is, or how much. Says about how many objects are left.
pub(super) async fn end(
    pipeline: &Pipeline,
    change: Option<ChangeNote>,
    summaries: &[&Summary],
    end: Instant,
) -> u64 {
    let Some(mut change) = change else {
        return 0;
    };
    let is_over = |summary: &&Summary| summary.stopped.is_none() && summary.late == 0;
    if summaries.iter().all(is_over) {
        let ended = pipeline.ledger().end_change(&change.plugin);
        noted_before(end, &change.plugin, ended.boxed()).await;
        return 0;
    }
    let late: u64 = summaries.iter().map(|summary| summary.late).sum();
    let done: u64 = summaries
        .iter()
        .map(|summary| summary.handled() - summary.count(Outcome::Failed))
        .sum();
    let all = change.left;
    change.done = done.min(all.saturating_sub(late));
    change.left = (all - change.done).max(1);
    let noted = pipeline.ledger().note_change(&change);
    noted_before(end, &change.plugin, noted.boxed()).await;
    change.left
}

/// The work goes on without a note.
async fn noted_before(until: Instant, plugin: &str, noted: BoxFuture<'_, Result<(), LedgerError>>) {
    if let Err(error) = before(until, noted).await {
        tracing::warn!(
            plugin,
            error,
            "what is known of a plugin's change cannot be noted"
        );
    }
}
