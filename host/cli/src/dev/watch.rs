//! Which files are saved.

use crate::problem::problem;
use anyhow::Result;
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::io::ErrorKind::PermissionDenied;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// `EMFILE`: also what inotify says where a user has all instances that one may have.
const TOO_MANY_OPEN: i32 = 24;

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
        let mut watcher = notify::recommended_watcher(tell)
            .map_err(|error| problem(format!("files cannot be watched: {error}"), next(&error)))?;
        for folder in std::iter::once(bucket).chain(sources) {
            let watching = watcher.watch(folder, RecursiveMode::Recursive);
            watching.map_err(|error| {
                let what = format!("{} cannot be watched: {error}", folder.display());
                problem(what, next(&error))
            })?;
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

/// What helps where files cannot be watched.
fn next(error: &notify::Error) -> &'static str {
    match &error.kind {
        ErrorKind::Io(error) if error.kind() == PermissionDenied => {
            "all folders in it must be readable; `--once` works without watching"
        }
        ErrorKind::Io(error) if error.raw_os_error() == Some(TOO_MANY_OPEN) => {
            "too many programs watch files: raise sysctl fs.inotify.max_user_instances"
        }
        ErrorKind::MaxFilesWatch => {
            "raise the number of files that may be watched: sysctl fs.inotify.max_user_watches"
        }
        _ => "`--once` works without watching",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn only_a_limit_is_to_be_raised() {
        let of = |kind| next(&notify::Error::new(kind));
        let denied = ErrorKind::Io(io::Error::from(PermissionDenied));
        assert!(of(denied).contains("must be readable"));
        assert!(of(ErrorKind::MaxFilesWatch).contains("max_user_watches"));
        let instances = ErrorKind::Io(io::Error::from_raw_os_error(TOO_MANY_OPEN));
        assert!(of(instances).contains("max_user_instances"));
        assert!(!of(ErrorKind::PathNotFound).contains("sysctl"));
    }
}
