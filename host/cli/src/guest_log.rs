//! What plugins say, caught on its way to the log.

use crate::dev;
use crate::operator::progress;
use parking_lot::Mutex;
use serde::Serialize;
use std::fmt::{Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The log target of plugins.
const TARGET: &str = "plugin";

/// What was said since it was last taken.
static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// A line that a plugin said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub(crate) level: String,
    /// The plugin's name.
    pub(crate) plugin: String,
    /// The line.
    pub(crate) message: String,
}

/// Listens from now on. The host's own log goes to stderr as far as `RUST_LOG` asks for it.
pub(crate) fn listen() {
    let asked = std::env::var("RUST_LOG").ok();
    let filter: Targets = asked
        .and_then(|filter| filter.parse().ok())
        .unwrap_or_default();
    let own = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry()
        .with(Listener)
        .with(progress::Listener)
        .with(dev::Listener)
        .with(own);
    // Nobody else in this program sets one.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// What was said since the last call.
pub(crate) fn take() -> Vec<Line> {
    std::mem::take(&mut *LINES.lock())
}

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut line = Line {
            level: event.metadata().level().as_str().to_ascii_lowercase(),
            plugin: String::new(),
            message: String::new(),
        };
        event.record(&mut Reader(&mut line));
        LINES.lock().push(line);
    }
}

struct Reader<'a>(&'a mut Line);

impl Reader<'_> {
    fn slot(&mut self, field: &Field) -> Option<&mut String> {
        match field.name() {
            "plugin" => Some(&mut self.0.plugin),
            "message" => Some(&mut self.0.message),
            _ => None,
        }
    }
}

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(slot) = self.slot(field) {
            value.clone_into(slot);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some(slot) = self.slot(field) {
            let _ = write!(slot, "{value:?}");
        }
    }
}
