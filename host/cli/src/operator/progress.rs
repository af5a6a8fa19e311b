//! How far a sync is: a bar where a person looks, and plain lines where not.

use crate::screen::Screen;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use std::fmt::Debug;
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the host says how far a full sync is.
const TARGET: &str = "redis_sync::full_sync";

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What is shown of a sync of so many objects.
const WITH_END: &str = "{bar:30.green} {pos}/{len} {elapsed} {msg}";

/// What is shown where their number is not known: a plan counts them.
const WITHOUT_END: &str = "{spinner:.green} {elapsed} {msg}";

/// What was said last.
static LATEST: Mutex<Option<String>> = Mutex::new(None);

/// Hears how far a full sync is.
pub(crate) struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with(TARGET) {
            event.record(&mut Reader);
        }
    }
}

struct Reader;

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "progress" {
            *LATEST.lock() = Some(format!("{value:?}"));
        }
    }
}

/// Shows how far a sync is until it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    showing: JoinHandle<()>,
}

impl Progress {
    /// Of a sync of so many objects; 0 where that is not known.
    pub(crate) fn start(screen: Screen, objects: u64) -> Self {
        *LATEST.lock() = None;
        let is_seen = std::io::stderr().is_terminal() && !screen.json;
        let (bar, template) = match objects {
            _ if !is_seen => (ProgressBar::hidden(), ""),
            0 => (ProgressBar::new_spinner(), WITHOUT_END),
            objects => (ProgressBar::new(objects), WITH_END),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let showing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                shown.tick();
                let Some(said) = LATEST.lock().take() else {
                    continue;
                };
                shown.set_position(first_number(&said));
                shown.set_message(said.clone());
                if !is_seen && first_number(&said) > 0 {
                    screen.remark(said);
                }
            }
        });
        Self { bar, showing }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.showing.abort();
        self.bar.finish_and_clear();
    }
}

/// The number that a sentence begins with: `12 objects: 3 synced`.
fn first_number(text: &str) -> u64 {
    let digits = text.split(' ').next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}
