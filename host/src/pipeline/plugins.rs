//! A plugin or the manifest has changed: the objects that this may affect are synced again.
//!
//! Which these are is read from the table as it is now. That suffices: whatever changes the table
//! afterwards is an event of its own, and a change of the manifest, after which the old table is
//! not known any more, affects everything.

use super::Pipeline;
use super::sweep::{Action, Span};
use super::tally::Tally;
use crate::report::{ObjectReport, Outcome};
use crate::route::{MANIFEST_NAME, Routes};
use std::sync::Arc;
use std::time::Instant;

/// Failures that a message spells out; the log has all of them.
const FAILURES_IN_MESSAGE: usize = 20;

impl Pipeline {
    /// Syncs whatever changes of these keys under the plugins' prefix affect, or hands it to the
    /// queue. One report a key: `failed` where any of the objects failed or was not reached.
    pub async fn plugins_changed(
        self: &Arc<Self>,
        keys: &[&str],
        deadline: Instant,
    ) -> Vec<ObjectReport> {
        if keys.is_empty() {
            return Vec::new();
        }
        let routes = self
            .catalog
            .read(&self.store, &self.settings.plugins_prefix);
        let routes = match tokio::time::timeout_at(deadline.into(), routes).await {
            Ok(Ok(routes)) => routes,
            Ok(Err(error)) => return all_failed(keys, &error),
            Err(_) => return all_failed(keys, "not started: the invocation's time is nearly over"),
        };
        let spans = |key: &str| {
            let name = key.strip_prefix(&self.settings.plugins_prefix);
            affected(name.unwrap_or_default(), &routes)
        };
        let mut swept: Vec<(Span, Arc<Tally>)> = Vec::new();
        let mut all: Vec<Span> = keys.iter().flat_map(|key| spans(key)).collect();
        // The wider a span, the earlier: what lies within it needs no walk of its own.
        all.sort();
        for span in all {
            if !swept.iter().any(|(wider, _)| wider.covers(&span)) {
                let tally = self.sweep_affected(&span, deadline).await;
                swept.push((span, Arc::new(tally)));
            }
        }
        let report = |key: &&str| {
            let spans = spans(key);
            let of_key =
                |(wider, _): &&(Span, Arc<Tally>)| spans.iter().any(|span| wider.covers(span));
            report(key, swept.iter().filter(of_key).map(|(_, tally)| &**tally))
        };
        keys.iter().map(report).collect()
    }

    async fn sweep_affected(self: &Arc<Self>, span: &Span, deadline: Instant) -> Tally {
        let action = match &self.queue {
            Some(_) => Action::Queue,
            None => Action::Sync { force: false },
        };
        self.sweep(span, action, deadline).await
    }
}

/// The objects that a change of `name`, under the plugins' prefix, may affect.
fn affected(name: &str, routes: &Routes) -> Vec<Span> {
    if name == MANIFEST_NAME {
        return vec![Span::under("")];
    }
    match (&routes.manifest, name.strip_suffix(".wasm")) {
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

fn report<'a>(key: &str, tallies: impl Iterator<Item = &'a Tally>) -> ObjectReport {
    let tallies: Vec<&Tally> = tallies.collect();
    let failed: Vec<&Tally> = tallies
        .iter()
        .copied()
        .filter(|tally| !tally.is_success())
        .collect();
    if !failed.is_empty() {
        let why: Vec<String> = failed.into_iter().map(explained).collect();
        return ObjectReport::failed(key, &why.join("; ")).temporary();
    }
    let unchanged = |tally: &&Tally| {
        let done = [Outcome::Synced, Outcome::Deleted];
        tally.queued == 0 && done.iter().all(|outcome| tally.count(*outcome) == 0)
    };
    let outcome = if tallies.iter().all(unchanged) {
        Outcome::Unchanged
    } else {
        Outcome::Synced
    };
    ObjectReport {
        outcome,
        error: None,
        ..ObjectReport::failed(key, "")
    }
}

fn explained(tally: &Tally) -> String {
    let failures = tally
        .failures
        .iter()
        .filter_map(|report| Some(format!("`{}`: {}", report.key, report.failure()?)))
        .take(FAILURES_IN_MESSAGE);
    let explained: Vec<String> = std::iter::once(format!("of the objects it affects, {tally}"))
        .chain(failures)
        .collect();
    explained.join("; ")
}

fn all_failed(keys: &[&str], error: &(impl std::fmt::Display + ?Sized)) -> Vec<ObjectReport> {
    keys.iter()
        .map(|key| ObjectReport::failed(*key, error).temporary())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Manifest;

    fn with_manifest(text: &str) -> Routes {
        Routes {
            manifest: Some(Manifest::parse(text)),
            ..Routes::default()
        }
    }

    #[test]
    fn by_convention_a_plugin_affects_its_object_and_what_is_under_it() {
        let routes = Routes::default();
        let flags = [Span::only("flags"), Span::under("flags/")];
        assert_eq!(affected("flags.wasm", &routes), flags);
        assert_eq!(affected("notes.txt", &routes), []);
        assert_eq!(affected(".wasm", &routes), []);
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
}
