//! A plugin or the manifest has changed: the objects that this may affect are synced again.
//!
//! The plugin list as it is now says which objects these are. That suffices: whatever changes the table
//! afterwards is an event of its own, and a change of the manifest, after which the old table is
//! not known any more, affects everything.
//!
//! Without a queue this may take several invocations. So that nobody takes what is half done for the end, it
//! is noted in Redis what has changed and how far that is, until it is carried out ([`underway`]).

use super::objects::FullSync;
use super::{By, Mode, Span, Summary, send_rest, underway};
use crate::event::{Chain, Origins, SyncRequest};
use crate::invocation::soon_after;
use crate::pipeline::{NO_PLUGINS, Pipeline, Rerun};
use crate::queue::Queue;
use crate::report::{self, ObjectReport, Outcome};
use crate::route::{MANIFEST_NAME, PluginList};
use std::sync::Arc;
use std::time::Instant;

/// Failures that a message spells out; the log has all of them.
const FAILURES_IN_MESSAGE: usize = 20;

/// Changes of keys under the plugins' prefix that all hosts have been told of.
pub(crate) struct PluginChange<'a> {
    keys: &'a [&'a str],
    /// The table as it was read then; none where nothing has changed.
    plugins: Option<Arc<PluginList>>,
}

impl<'a> PluginChange<'a> {
    /// Tells all hosts that they are not to use what they keep of the plugin list. This comes before
    /// any ticket that is taken for the change, also before those of other objects whose events came
    /// with it. The keys' reports where that fails.
    pub(crate) async fn begin(
        pipeline: &Pipeline,
        keys: &'a [&'a str],
        deadline: Instant,
    ) -> Result<Self, Vec<ObjectReport>> {
        if keys.is_empty() {
            return Ok(Self {
                keys,
                plugins: None,
            });
        }
        let renewed = pipeline.renewed_plugin_list();
        match tokio::time::timeout_at(deadline.into(), renewed).await {
            Ok(Ok(plugins)) => Ok(Self {
                keys,
                plugins: Some(plugins),
            }),
            Ok(Err(error)) => Err(keys.iter().map(|key| error.report(*key)).collect()),
            Err(_) => Err(keys
                .iter()
                .copied()
                .map(ObjectReport::not_started)
                .collect()),
        }
    }

    /// Syncs whatever the changes affect, or hands it to the queue. One report a key: `failed` where
    /// any of the objects failed or was not reached.
    pub(crate) async fn sync(
        self,
        pipeline: &Pipeline,
        origins: &Origins,
        deadline: Instant,
    ) -> Vec<ObjectReport> {
        let end = soon_after(deadline);
        let Self {
            keys,
            plugins: Some(plugins),
        } = self
        else {
            return Vec::new();
        };
        let prefix = &pipeline.settings().plugins_prefix;
        let name = |key: &str| key.strip_prefix(prefix).unwrap_or_default().to_owned();
        let changes: Vec<(String, Vec<Span>)> = keys
            .iter()
            .map(|key| name(key))
            .map(|name| (name.clone(), affected(&name, &plugins)))
            .collect();
        underway::note_uploads(pipeline, &changes, &plugins, origins, deadline).await;
        let noted = underway::begin(pipeline, &changes, &plugins, deadline).await;
        let spans: Vec<Span> = changes
            .iter()
            .flat_map(|(_, spans)| spans.clone())
            .collect();
        let summaries = sync_widest(pipeline, &plugins, spans, deadline).await;
        let mut reports = Vec::with_capacity(keys.len());
        for ((key, (_, spans)), change) in keys.iter().zip(&changes).zip(noted) {
            let covering = summaries
                .iter()
                .filter(|(wide, _)| spans.iter().any(|span| wide.covers(span)));
            let covering: Vec<&Summary> = covering.map(|(_, summary)| summary).collect();
            let left = underway::end(pipeline, change, &covering, end).await;
            reports.push(report(key, &covering, left));
        }
        reports
    }
}

/// Syncs each of these spans that does not lie within another one.
async fn sync_widest(
    pipeline: &Pipeline,
    plugins: &Arc<PluginList>,
    mut spans: Vec<Span>,
    deadline: Instant,
) -> Vec<(Span, Summary)> {
    let by = pipeline.queue().map_or(By::Itself, By::Queue);
    let mode = Mode::Write(Rerun::IfChanged, by);
    // A wider span comes before those that lie within it.
    spans.sort();
    let mut done: Vec<(Span, Summary)> = Vec::new();
    for span in spans {
        if !done.iter().any(|(wider, _)| wider.covers(&span)) {
            let mut sync = FullSync::new(pipeline, &span, mode, deadline, Arc::clone(plugins));
            sync.objects().await;
            sync.end_with_last().await;
            let (mut summary, end) = (sync.summary, sync.end);
            if let (By::Queue(queue), false, Some(_)) = (by, span.is_exact(), &summary.stopped)
                && has_sent_rest(queue, &span, &summary, end).await
            {
                summary.stopped = None;
            }
            done.push((span, summary));
        }
    }
    done
}

/// Leaves the rest to the queue: a delivery of the event once more would begin at the front. That is no sync of all that
/// there is, whatever the span, since nothing tells whether it is done.
async fn has_sent_rest(queue: &Queue, span: &Span, summary: &Summary, end: Instant) -> bool {
    let request = SyncRequest {
        prefix: span.prefix().to_owned(),
        ..SyncRequest::default()
    };
    let chain = Chain {
        whole: false,
        ..Chain::begin(&request)
    };
    send_rest(queue, &request, &chain, summary, end).await
}

/// The objects that a change of `name`, under the plugins' prefix, may affect.
fn affected(name: &str, plugins: &PluginList) -> Vec<Span> {
    if name == MANIFEST_NAME {
        return vec![Span::under("")];
    }
    match (&plugins.manifest, name.strip_suffix(".wasm")) {
        _ if NO_PLUGINS.iter().any(|folder| name.starts_with(folder)) => Vec::new(),
        (None, Some(object)) if !object.is_empty() => {
            vec![Span::only(object), Span::under(format!("{object}/"))]
        }
        (Some(Ok(manifest)), Some(_)) => manifest
            .routes()
            .filter(|(_, route)| route.plugins.iter().any(|plugin| plugin == name))
            .map(|(prefix, _)| Span::under(prefix))
            .collect(),
        // With a manifest that is not valid no object can be transformed, whatever the plugins are.
        _ => Vec::new(),
    }
}

fn report(key: &str, summaries: &[&Summary], left: u64) -> ObjectReport {
    let failed = summaries.iter().filter(|summary| !summary.is_success());
    let mut why: Vec<String> = failed.map(|summary| explained(summary)).collect();
    if !why.is_empty() {
        if left > 0 {
            why.push(format!("about {left} are left"));
        }
        return ObjectReport::failed(key, &why.join("; ")).temporary();
    }
    let unchanged = |summary: &&Summary| {
        let done = [Outcome::Synced, Outcome::Deleted];
        summary.queued == 0 && done.iter().all(|outcome| summary.count(*outcome) == 0)
    };
    let outcome = if summaries.iter().all(unchanged) {
        Outcome::Unchanged
    } else {
        Outcome::Synced
    };
    ObjectReport::done(key, outcome)
}

fn explained(summary: &Summary) -> String {
    let failures = report::spelled(&summary.failures, FAILURES_IN_MESSAGE);
    let explained: Vec<String> = std::iter::once(format!("of the objects it affects, {summary}"))
        .chain(failures)
        .collect();
    explained.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Manifest;

    fn with_manifest(text: &str) -> PluginList {
        PluginList {
            manifest: Some(Manifest::parse(text)),
            ..PluginList::default()
        }
    }

    #[test]
    fn by_convention_a_plugin_affects_its_object_and_what_is_under_it() {
        let routes = PluginList::default();
        let flags = [Span::only("flags"), Span::under("flags/")];
        assert_eq!(affected("flags.wasm", &routes), flags);
        assert_eq!(affected("notes.txt", &routes), []);
        assert_eq!(affected(".wasm", &routes), []);
        assert_eq!(affected(".candidates/flags.wasm", &routes), []);
        assert_eq!(affected("routes.toml", &routes), [Span::under("")]);
    }

    #[test]
    fn by_manifest_a_plugin_affects_every_route_that_names_it() {
        let routes = with_manifest(
            "[[route]]\nprefix = \"a/\"\nplugin = [\"x.wasm\", \"y.wasm\"]\n[[route]]\nprefix = \"b\"\nplugin = \"y.wasm\"\n",
        );
        assert_eq!(affected("x.wasm", &routes), [Span::under("a/")]);
        assert_eq!(
            affected("y.wasm", &routes),
            [Span::under("a/"), Span::under("b")]
        );
        assert_eq!(affected("z.wasm", &routes), []);
        assert_eq!(affected("routes.toml", &routes), [Span::under("")]);
        assert_eq!(affected("x.wasm", &with_manifest("nonsense")), []);
    }

    #[test]
    fn a_report_says_how_many_objects_are_left_where_any_are() {
        let summary = Summary::stopped("stopped".to_owned());
        let said = |left| report("k", &[&summary], left).error.unwrap();
        assert!(
            said(2).ends_with("stopped; about 2 are left"),
            "{}",
            said(2)
        );
        assert!(said(0).ends_with("stopped"), "{}", said(0));
    }
}
