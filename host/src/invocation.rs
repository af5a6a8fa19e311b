//! The invocation that work belongs to: its identifiers for the log, and what it counts and measures.
//!
//! It is found wherever the work goes on: in the task that serves it, in the tasks and on the threads
//! that [`spawn`] and [`spawn_blocking`] start. Outside of any (the command line, tests) nothing is
//! counted.

use crate::metrics::{self, Count, Ended, Metrics, RouteName, Sample, Tally};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

tokio::task_local! {
    static CURRENT: Arc<Invocation>;
}

/// One invocation.
#[derive(Debug)]
pub struct Invocation {
    /// Lambda's identifier of it; empty while the process starts.
    pub request_id: String,
    /// X-Ray's, where it is traced.
    pub trace_id: Option<String>,
    /// Whether it is the first one of the process.
    pub is_cold_start: bool,
    metrics: Arc<Metrics>,
    tally: Tally,
}

impl Invocation {
    /// An invocation whose metrics go there.
    pub fn new(
        metrics: &Arc<Metrics>,
        request_id: &str,
        trace_id: Option<String>,
        is_cold_start: bool,
    ) -> Self {
        Self {
            request_id: request_id.to_owned(),
            trace_id,
            is_cold_start,
            metrics: Arc::clone(metrics),
            tally: Tally::default(),
        }
    }

    /// Does its work.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Writes its metrics: with the first one of a process, that it is.
    pub fn end(&self, ended: Ended) {
        let mut lines = self
            .metrics
            .invocation(&self.request_id, &self.tally, ended);
        if self.is_cold_start {
            lines.push(self.metrics.cold_start(&self.request_id));
        }
        metrics::print(&lines);
    }
}

impl Drop for Invocation {
    /// The last of its work is over, which may be after its line was written.
    fn drop(&mut self) {
        self.metrics.leave(&self.tally);
    }
}

/// The invocation that this belongs to, if it does to any.
pub fn current() -> Option<Arc<Invocation>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Looks at it.
pub fn with<T>(look: impl FnOnce(&Invocation) -> T) -> Option<T> {
    CURRENT.try_with(|invocation| look(invocation)).ok()
}

/// Adds to a count of it.
pub fn count(count: Count, number: u64) {
    with(|invocation| invocation.tally.add(count, number));
}

/// Adds a full sync that ended.
pub fn count_sync(is_complete: bool) {
    with(|invocation| invocation.tally.add_sync(is_complete));
}

/// Adds an object that failed to those of its route.
pub fn count_failed(route: &RouteName) {
    with(|invocation| invocation.tally.add_failed(route));
}

/// Adds a value.
pub fn measure(route: &RouteName, sample: Sample, value: f64) {
    with(|invocation| {
        let Invocation { metrics, tally, .. } = invocation;
        let lines = metrics.measure(&invocation.request_id, tally, route, (sample, value));
        metrics::print(&lines);
    });
}

/// Until when it may be noted what has become of work that ends at this deadline: for a twenty-fifth of the time that
/// is left until then, two seconds at the most. That is less than is kept in reserve for the answer, a twentieth of the
/// whole.
pub fn soon_after(deadline: Instant) -> Instant {
    const MOST: Duration = Duration::from_secs(2);
    let left = deadline.saturating_duration_since(Instant::now());
    deadline + (left / 25).min(MOST)
}

/// Starts a task that belongs to it.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // The scheduler moves a task several times, and one of these is of 12 KB.
    let work = Box::pin(work);
    match current() {
        Some(invocation) => tokio::spawn(CURRENT.scope(invocation, work)),
        None => tokio::spawn(work),
    }
}

/// Does what may block on a thread where it may; it belongs to the invocation.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    match current() {
        Some(invocation) => tokio::task::spawn_blocking(|| CURRENT.sync_scope(invocation, work)),
        None => tokio::task::spawn_blocking(work),
    }
}
