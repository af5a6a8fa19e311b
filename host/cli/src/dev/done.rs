//! What became of each object, caught on its way to the log: a full sync itself only counts.

use parking_lot::Mutex;
use redis_sync::report::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Debug;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the host says it.
const TARGET: &str = "redis_sync::pipeline::notes";

/// Objects that are kept: more are not told one by one.
const MOST: usize = 1000;

/// What was heard since it was last taken.
static DONE: Mutex<BTreeMap<String, Done>> = Mutex::new(BTreeMap::new());

/// What became of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Done {
    /// Its outcome's name.
    pub(super) outcome: String,
    /// Redis keys it yields.
    pub(super) entries: u64,
    /// The plugins that took it.
    pub(super) plugin: Option<String>,
    /// What they used.
    pub(super) fuel: Option<u64>,
    /// What it took, without the compiling of its plugin.
    pub(super) time_ms: f64,
    /// Why it has failed, if it has.
    pub(super) error: Option<String>,
}

impl Done {
    /// Whether anything was written.
    pub(super) fn is_synced(&self) -> bool {
        self.outcome == Outcome::Synced.name()
    }
}

/// What was heard since the last call, by object.
pub(super) fn take() -> BTreeMap<String, Done> {
    std::mem::take(&mut *DONE.lock())
}

/// Hears what becomes of objects.
pub(crate) struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut reader = Reader::default();
        event.record(&mut reader);
        let mut all = DONE.lock();
        if all.len() < MOST && !reader.object.is_empty() {
            all.insert(reader.object, reader.done);
        }
    }
}

#[derive(Default)]
struct Reader {
    object: String,
    done: Done,
}

impl Visit for Reader {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "object" => value.clone_into(&mut self.object),
            "outcome" => value.clone_into(&mut self.done.outcome),
            "plugin" => self.done.plugin = Some(value.to_owned()),
            "error" => self.done.error = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "fuel" => self.done.fuel = Some(value),
            "entries" => self.done.entries = value,
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "duration_ms" {
            self.done.time_ms = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
