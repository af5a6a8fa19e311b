//! One change, from ticket to commit.
//!
//! What is retried where: the ledger repeats what Redis did not answer, the store what S3 did not;
//! this module runs again what changed while it was worked on. Whatever fails after that is
//! reported, and whoever delivered the event delivers it again.

mod catalog;
mod conflict;
mod passing;
mod plugins;
mod prepare;
mod reclaim;
mod sweep;
mod tally;
mod transform;

pub use sweep::{Action, Span};
pub use tally::Tally;

use crate::ledger::{Ledger, LedgerError, Ticket, Verdict, Write};
use crate::metrics::Metrics;
use crate::plugin::{Compiled, Library};
use crate::queue::{Queue, QueueError};
use crate::report::{ObjectReport, Outcome};
use crate::route::Routes;
use crate::sandbox::{LoadError, Sandbox};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use aws_config::SdkConfig;
use catalog::Catalog;
use futures::StreamExt;
use prepare::{Mode, Prepared};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How often an object is prepared anew because it changed while it was worked on.
const ATTEMPTS: u32 = 8;

/// The pause before the second attempt, where another worker is at the object; later ones are longer.
const PAUSE: Duration = Duration::from_millis(25);

/// Everything a change needs on its way.
pub struct Pipeline {
    settings: Settings,
    store: Store,
    ledger: Ledger,
    library: Library,
    /// The same, for whoever must not write.
    reading: Library,
    catalog: Catalog,
    metrics: Metrics,
    /// Where more work goes than one invocation can do.
    queue: Option<Queue>,
    /// One permit a run: the sandbox has room for so many instances.
    runs: Arc<Semaphore>,
}

/// Why the pipeline cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The sandbox cannot.
    #[error(transparent)]
    Sandbox(#[from] LoadError),
    /// The ledger cannot.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why an object failed.
#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its route, its plugin or what that returned.
    #[error("{message}")]
    Transform {
        plugin: Option<String>,
        fuel: Option<u64>,
        message: String,
        /// Whether it was the host that could not run it.
        temporary: bool,
    },
    /// A key it yields is not free.
    #[error("{0}")]
    Conflict(String),
    /// It changed under every attempt.
    #[error("it changes faster than it can be committed")]
    Restless,
    /// The queue does not take it.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl ChangeError {
    /// Whether a repetition may mend it, all else being equal: what S3 or Redis did not answer is
    /// worth one, what they refuse is not. A transform comes to the same end every time, unless it
    /// was the host that could not run it, and a key stays taken until its owner changes.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Store(error) => matches!(**error, StoreError::Unavailable { .. }),
            Self::Ledger(error) => matches!(
                error,
                LedgerError::Unavailable { .. } | LedgerError::Contended(_)
            ),
            Self::Restless | Self::Queue(_) => true,
            Self::Transform { temporary, .. } => *temporary,
            Self::Conflict(_) => false,
        }
    }

    /// An object's failure by it.
    fn failed(&self, key: impl Into<String>) -> ObjectReport {
        ObjectReport {
            temporary: self.is_temporary(),
            ..ObjectReport::failed(key, self)
        }
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl Pipeline {
    /// Sets everything up; nothing is connected yet.
    pub async fn new(settings: Settings) -> Result<Self, SetupError> {
        let aws = crate::aws::config().await;
        Self::with_aws(settings, &aws)
    }

    /// Sets everything up with a configuration for AWS' services.
    pub fn with_aws(settings: Settings, aws: &SdkConfig) -> Result<Self, SetupError> {
        let sandbox = Arc::new(Sandbox::new(settings.concurrency)?);
        let queue = |url: &String| Queue::new(aws, url);
        let store = Store::new(aws, &settings.bucket, settings.s3_force_path_style);
        let compiled = Compiled::new(&settings.compiled, &sandbox, &store)?;
        let refused = compiled.refused();
        let library = Library::new(sandbox, compiled);
        Ok(Self {
            store,
            queue: settings.sync_queue_url.as_ref().map(queue),
            ledger: Ledger::new(&settings.redis, &settings.bucket)?,
            metrics: Metrics::new(&settings.metrics_namespace, refused),
            reading: library.reading(),
            library,
            catalog: Catalog::default(),
            runs: Arc::new(Semaphore::new(settings.concurrency)),
            settings,
        })
    }

    /// What the environment says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The ledger, for what only reads it.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Brings Redis up to date with each of these objects: `CONCURRENCY` at a time, none started
    /// after `deadline`. One report a key, in their order.
    pub async fn sync(self: &Arc<Self>, keys: Vec<String>, deadline: Instant) -> Vec<ObjectReport> {
        self.sync_in(keys, Mode::Normal, deadline).await
    }

    async fn sync_in(
        self: &Arc<Self>,
        keys: Vec<String>,
        mode: Mode,
        deadline: Instant,
    ) -> Vec<ObjectReport> {
        let reports = self.sync_all(keys, mode, deadline).await;
        for report in &reports {
            self.metrics.count(report.outcome, 1);
        }
        reports
    }

    async fn sync_all(
        self: &Arc<Self>,
        keys: Vec<String>,
        mode: Mode,
        deadline: Instant,
    ) -> Vec<ObjectReport> {
        if keys.is_empty() {
            return Vec::new();
        }
        let begun = tokio::time::timeout_at(deadline.into(), self.begin(&keys)).await;
        let (tickets, routes) = match begun {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return keys.into_iter().map(|key| error.failed(key)).collect(),
            Err(_) => return keys.into_iter().map(|key| late(key, NOT_STARTED)).collect(),
        };
        let changes = keys.into_iter().zip(tickets).map(|(key, ticket)| {
            let (pipeline, routes) = (Arc::clone(self), Arc::clone(&routes));
            async move {
                pipeline
                    .sync_guarded(key, ticket, routes, mode, deadline)
                    .await
            }
        });
        futures::stream::iter(changes)
            .buffered(self.settings.concurrency)
            .collect()
            .await
    }

    /// Takes tickets, and only then reads the plugin list, as whatever decides a result.
    async fn begin(&self, keys: &[String]) -> Result<(Vec<Ticket>, Arc<Routes>), ChangeError> {
        let tickets = self.ledger.tickets(keys).await?;
        let routes = self
            .catalog
            .read(&self.store, &self.settings.plugins_prefix)
            .await?;
        Ok((tickets, routes))
    }

    /// One object in a task of its own, so that a panic fails it and no other. A task that is
    /// aborted may have committed already: that is reported as failed, and repeating it is safe.
    async fn sync_guarded(
        self: Arc<Self>,
        key: String,
        ticket: Ticket,
        routes: Arc<Routes>,
        mode: Mode,
        deadline: Instant,
    ) -> ObjectReport {
        if Instant::now() >= deadline {
            return late(key, NOT_STARTED);
        }
        let name = key.clone();
        let task =
            tokio::spawn(async move { self.sync_reported(key, ticket, &routes, mode).await });
        let abort = task.abort_handle();
        match tokio::time::timeout_at(deadline.into(), task).await {
            Ok(Ok(report)) => report,
            Ok(Err(_panic)) => ObjectReport::failed(name, "the host panicked on it"),
            Err(_) => {
                abort.abort();
                late(name, NOT_FINISHED)
            }
        }
    }

    async fn sync_reported(
        &self,
        key: String,
        ticket: Ticket,
        routes: &Routes,
        mode: Mode,
    ) -> ObjectReport {
        let started = Instant::now();
        let result = self.sync_one(&key, ticket.clone(), routes, mode).await;
        let report = match result {
            Ok(report) => report,
            Err(error) => self.failed(key, &ticket, error).await,
        };
        log(&report, started);
        report
    }

    async fn failed(&self, key: String, ticket: &Ticket, error: ChangeError) -> ObjectReport {
        let message = error.to_string();
        if !matches!(error, ChangeError::Ledger(_))
            && let Err(error) = self.ledger.fail(&key, ticket, &message).await
        {
            tracing::warn!(object = key, error = %error, "the failure could not be recorded");
        }
        let report = error.failed(key);
        match error {
            ChangeError::Transform { plugin, fuel, .. } => ObjectReport {
                plugin,
                fuel,
                ..report
            },
            _ => report,
        }
    }

    /// Prepares and commits, and does so again where the object's record changed in between. A
    /// ticket is for one proposal, so each attempt has its own, and reads everything after it.
    async fn sync_one(
        &self,
        key: &str,
        ticket: Ticket,
        routes: &Routes,
        mode: Mode,
    ) -> Result<ObjectReport, ChangeError> {
        let mut prepared = self.prepare(key, ticket, routes, mode).await?;
        for attempt in 0..ATTEMPTS {
            let again = match self.commit(&prepared).await? {
                Verdict::Committed { .. } => return Ok(prepared.report(prepared.outcome)),
                Verdict::Superseded(_) => return Ok(prepared.report(Outcome::Superseded)),
                Verdict::Changed(_) => Mode::Rewrite,
                Verdict::Stale(_) | Verdict::Conflict { .. } => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    mode
                }
            };
            prepared = self.prepare_afresh(key, again).await?;
        }
        Err(ChangeError::Restless)
    }

    /// Takes a ticket, then reads and works out what the object is to be.
    async fn prepare_afresh(&self, key: &str, mode: Mode) -> Result<Prepared, ChangeError> {
        let keys = [key.to_owned()];
        let Some(ticket) = self.ledger.tickets(&keys).await?.pop() else {
            return Err(ChangeError::Restless);
        };
        let routes = self
            .catalog
            .read(&self.store, &self.settings.plugins_prefix)
            .await?;
        self.prepare(key, ticket, &routes, mode).await
    }
}

impl Prepared {
    fn report(&self, outcome: Outcome) -> ObjectReport {
        let entries = match (&self.proposal.write, outcome) {
            (_, Outcome::Superseded) => 0,
            (Write::Entries(set), _) => set.len(),
            (Write::Keep, _) => self.kept,
        };
        ObjectReport {
            key: self.proposal.key.clone(),
            outcome,
            entries,
            plugin: self.plugin.clone(),
            fuel: self.fuel,
            error: None,
            temporary: false,
        }
    }
}

const NOT_STARTED: &str = "not started: the invocation's time is nearly over";
const NOT_FINISHED: &str = "not finished: the invocation's time is nearly over";

fn late(key: String, why: &str) -> ObjectReport {
    ObjectReport::failed(key, why).temporary()
}

/// The one line an object gets.
fn log(report: &ObjectReport, started: Instant) {
    let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
    let (object, outcome, entries) = (&report.key, report.outcome.name(), report.entries);
    let plugin = report.plugin.as_deref();
    match report.failure() {
        None => tracing::info!(
            object,
            outcome,
            plugin,
            entries,
            fuel = report.fuel,
            duration_ms,
            "object done"
        ),
        Some(error) => tracing::error!(
            object,
            outcome,
            plugin,
            fuel = report.fuel,
            duration_ms,
            error,
            "object failed"
        ),
    }
}
