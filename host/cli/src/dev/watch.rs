//! Which files are saved.

use crate::problem::Advise;
use anyhow::Result;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// How long it must be quiet before changes are handed over: editors save in several steps.
const QUIET: Duration = Duration::from_millis(40);

/// The longest that changes are held back.
const LATEST: Duration = Duration::from_millis(400);

/// Watches folders.
pub(super) struct Watch {
    events: UnboundedReceiver<Event>,
    /// Watches as long as it is there.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches a bucket's folder and those of sources.
    pub(super) fn start(bucket: &Path, sources: Vec<&Path>) -> Result<Self> {
        let (sender, events) = unbounded_channel();
        let tell = move |event: notify::Result<Event>| {
            if let Ok(event) = event
                && !matches!(event.kind, EventKind::Access(_))
            {
                // Nobody listens any more when the program ends.
                let _ = sender.send(event);
            }
        };
        let next =
            "raise the number of files that may be watched: sysctl fs.inotify.max_user_watches";
        let mut watcher = notify::recommended_watcher(tell)
            .advise(|| "files cannot be watched".to_owned(), next)?;
        for folder in std::iter::once(bucket).chain(sources) {
            watcher
                .watch(folder, RecursiveMode::Recursive)
                .advise(|| format!("{} cannot be watched", folder.display()), next)?;
        }
        Ok(Self {
            events,
            _watcher: watcher,
        })
    }

    /// The files that were saved, once it is quiet.
    pub(super) async fn changed(&mut self) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        let Some(first) = self.events.recv().await else {
            // The watcher is gone with this, so nobody can be waiting.
            return std::future::pending().await;
        };
        changed.extend(first.paths);
        let latest = Instant::now() + LATEST;
        loop {
            let until = latest.min(Instant::now() + QUIET);
            match timeout_at(until, self.events.recv()).await {
                Ok(Some(event)) => changed.extend(event.paths),
                Ok(None) | Err(_) => return changed,
            }
        }
    }
}
