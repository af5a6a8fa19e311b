//! From a changed key to a commit.
//!
//! [`Pipeline::sync`] takes keys. [`many`] works on them at the same time; [`object`] brings one of
//! them up to date: ticket, plugin list, [`evaluate`], commit. [`evaluate`] reads the object, asks
//! [`decide`] whether anything has changed, and has the plugins run by [`transform`]; it writes
//! nothing, so a dry run ends there. [`joint`] commits it together with whoever has its keys, and [`verdict`]
//! says what is to be done where the ledger does not take that.
//!
//! # What is tried again, and where
//!
//! | what | where | how long |
//! | --- | --- | --- |
//! | a request that S3 does not answer | the SDK, as [`aws`](crate::aws) sets it up | 3 attempts, 20 s |
//! | a body that breaks off | [`store`](crate::store) | 3 attempts |
//! | Redis does not answer, is loading or failing over | the connection of the [`ledger`](crate::ledger) | 9 s |
//! | a redirection of a cluster, a node that does not answer | the client of Redis, as the ledger sets it up | 4 attempts |
//! | a staged value of which Redis has lost some | the [`ledger`](crate::ledger) | 3 attempts |
//! | an object that changed while it was worked on | [`object`] | 8 attempts |
//! | an object that failed on a plugin list which was kept | [`object`], on the present one | once |
//! | a plugin that yields more than its first run has room for | the [`sandbox`](crate::sandbox) | once |
//! | compiling that something outside has ended | [`plugin`](crate::plugin) | after 10 s |
//!
//! Nothing else is. Whatever fails after that is reported, and whoever delivered the event delivers
//! it again; [`ChangeError::is_temporary`] says whether that may help. The deadline of the invocation
//! bounds all of it.

mod candidate;
mod decide;
mod error;
mod evaluate;
mod joint;
mod many;
mod notes;
mod object;
mod objects;
mod plugin_list;
mod ready;
mod room;
mod transform;
mod trial;
mod verdict;

pub use candidate::Evaluated;
pub use decide::Rerun;
pub use error::{ChangeError, TransformError};
pub(crate) use evaluate::LoadedPlugins;
pub use notes::Cause;

pub(crate) use plugin_list::NO_PLUGINS;
pub use trial::{Trial, Tried};

use crate::budget::Budget;
use crate::event::Origins;
use crate::invocation::Invocation;
use crate::ledger::{Ledger, LedgerError, Record, Write};
use crate::metrics::{Ended, Metrics};
use crate::plugin::{ArtifactStore, CompileLimits, Compiler, ModuleCache};
use crate::queue::Queue;
use crate::report::{ObjectReport, Outcome};
use crate::route::PluginList;
use crate::sandbox::{LoadError, Sandbox};
use crate::settings::Settings;
use crate::store::Store;
use aws_config::SdkConfig;
use evaluate::{Evaluation, Evaluator};
use notes::Notes;
use object::Task;
use objects::Objects;
use plugin_list::PluginLists;
use room::{Conditions, Turn};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transform::Transforms;

/// Time of the processor that compiling one module may take. A JavaScript engine takes 25 s.
const COMPILE_TIME: Duration = Duration::from_secs(120);

/// The longest that an invocation takes.
const LONGEST: Duration = Duration::from_mins(15);

/// What an invocation works with.
pub struct Pipeline {
    settings: Settings,
    store: Store,
    objects: Objects,
    /// Makes the lines of its metrics.
    metrics: Arc<Metrics>,
    /// The memory that all work shares.
    budget: Budget,
    /// Where more work goes than one invocation can do.
    queue: Option<Queue>,
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

impl Pipeline {
    /// Sets everything up; nothing is connected yet.
    pub async fn new(settings: Settings) -> Result<Self, SetupError> {
        let aws = crate::aws::config().await;
        Self::with_parts(settings, &aws, Path::new("/proc/self/exe"))
    }

    /// Sets everything up with a configuration for AWS' services, and a program that is the
    /// compiling child.
    pub fn with_parts(
        settings: Settings,
        aws: &SdkConfig,
        compiler: &Path,
    ) -> Result<Self, SetupError> {
        let sandbox = Arc::new(Sandbox::new(settings.concurrency)?);
        let store = Store::new(aws, &settings.bucket, settings.s3_force_path_style);
        let artifacts = ArtifactStore::new(&settings.artifacts, &sandbox, &store)?;
        let variable = |name| std::env::var(name).unwrap_or_default();
        let metrics = Metrics::new(
            &settings.metrics_namespace,
            &variable("AWS_LAMBDA_FUNCTION_NAME"),
            &variable("AWS_LAMBDA_LOG_LEVEL"),
        );
        let limits = CompileLimits {
            memory_bytes: settings.memory.compile_bytes,
            processor: COMPILE_TIME,
        };
        let compiler = Compiler::new(compiler, limits);
        let budget = Budget::new(settings.memory.work_bytes);
        let code_bytes = settings.memory.code_bytes;
        let modules = ModuleCache::new(sandbox, artifacts, compiler, budget.clone(), code_bytes);
        let transforms = Transforms::new(modules, store.clone(), &settings);
        let objects = Objects {
            bucket: settings.bucket.as_str().into(),
            origins: Arc::default(),
            ledger: Arc::new(Ledger::new(&settings.redis, &settings.bucket)?),
            plugin_lists: Arc::new(PluginLists::new(store.clone(), &settings.plugins_prefix)),
            evaluator: Arc::new(Evaluator::new(
                store.clone(),
                transforms,
                budget.clone(),
                &settings,
            )),
        };
        let queue = |url: &String| Queue::new(aws, url);
        Ok(Self {
            queue: settings.sync_queue_url.as_ref().map(queue),
            settings,
            store,
            objects,
            metrics: Arc::new(metrics),
            budget,
        })
    }

    /// What the environment says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The bucket.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.objects.ledger
    }

    /// An invocation that is to be worked on.
    pub fn invocation(
        &self,
        request_id: &str,
        trace_id: Option<String>,
        is_cold_start: bool,
    ) -> Invocation {
        Invocation::new(&self.metrics, request_id, trace_id, is_cold_start)
    }

    /// Writes an invocation's metrics.
    pub fn end(&self, invocation: &Invocation, duration: Duration, has_failed: bool) {
        let permille = self.budget.take_peak().saturating_mul(1000) / self.budget.bytes().max(1);
        let permille = u32::try_from(permille).unwrap_or(u32::MAX);
        invocation.end(Ended {
            duration,
            has_failed,
            memory_percent: f64::from(permille) / 10.0,
        });
    }

    /// Where more work goes than one invocation can do.
    pub fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    /// Brings Redis up to date with each of these objects: `CONCURRENCY` at a time, none started
    /// after `deadline`. One report a key, in the order in which they end. Those that were not done in time
    /// are for the caller to count.
    pub async fn sync(
        &self,
        keys: Vec<String>,
        cause: Cause,
        rerun: Rerun,
        deadline: Instant,
    ) -> Vec<ObjectReport> {
        self.sync_told(keys, &Arc::default(), (cause, rerun), deadline)
            .await
    }

    /// The same where events have told who has put these objects.
    pub async fn sync_told(
        &self,
        keys: Vec<String>,
        origins: &Arc<Origins>,
        (cause, rerun): (Cause, Rerun),
        deadline: Instant,
    ) -> Vec<ObjectReport> {
        let task = Task {
            cause,
            rerun,
            deadline,
        };
        let concurrency = self.settings.concurrency;
        let objects = Objects {
            origins: Arc::clone(origins),
            ..self.objects.clone()
        };
        let reports = many::sync(&objects, keys, task, concurrency).await;
        let in_time = reports.iter().filter(|report| !report.late);
        in_time.for_each(ObjectReport::count);
        reports
    }

    /// The plugin list as it is now, after all hosts have been told not to use what they keep of it.
    ///
    /// Whoever handles a change under the plugins' prefix calls this before anything is synced for it,
    /// and fails where it fails.
    pub async fn renewed_plugin_list(&self) -> Result<Arc<PluginList>, ChangeError> {
        self.objects.renew_plugins().await
    }

    /// The plugin list as it is now.
    pub async fn plugin_list(&self) -> Result<Arc<PluginList>, ChangeError> {
        self.objects.plugin_lists.read().await
    }

    /// What would become of an object of which that is recorded. Takes no ticket and writes
    /// nothing; whether its keys are free is not known before they are written.
    pub async fn dry_run(
        &self,
        key: &str,
        record: &Record,
        plugins: &PluginList,
        rerun: Rerun,
        deadline: Instant,
    ) -> ObjectReport {
        match self.foresee(key, record, plugins, rerun, deadline).await {
            Ok(report) => report,
            Err(error) => error.report(key),
        }
    }

    async fn foresee(
        &self,
        key: &str,
        record: &Record,
        plugins: &PluginList,
        rerun: Rerun,
        deadline: Instant,
    ) -> Result<ObjectReport, ChangeError> {
        let evaluator = &self.objects.evaluator;
        let notes = Notes::default();
        let conditions = Conditions {
            rerun,
            turn: Turn::Wait,
            deadline,
            notes: &notes,
        };
        let Evaluation {
            write,
            mut foreseen,
            ..
        } = evaluator.evaluate(key, record, plugins, conditions).await?;
        let entries = match &write {
            Write::Entries(set) => set.len(),
            Write::Unchanged => self.ledger().written_keys(key).await?.len(),
        };
        // Where Redis has lost some of the keys, all are written again.
        if let Write::Unchanged = write
            && self.ledger().intact(&[(key, record)]).await? != [true]
        {
            foreseen.outcome = Outcome::Synced;
        }
        Ok(foreseen.report(key, entries))
    }

    /// What the basis of a listed object's entries would be now, and the plugins that it stands
    /// for; `None` where its route is broken.
    pub(crate) async fn basis(
        &self,
        key: &str,
        etag: &str,
        plugins: &PluginList,
    ) -> Result<Option<(String, LoadedPlugins)>, ChangeError> {
        self.objects.evaluator.basis(key, etag, plugins).await
    }

    /// SHA-256 of the plugin of that name, in hexadecimal; `None` where it is not there or cannot be loaded.
    pub(crate) async fn plugin_digest(&self, name: &str, plugins: &PluginList) -> Option<String> {
        self.objects.evaluator.plugin_digest(name, plugins).await
    }

    /// Keeps the machine code of these plugins for other processes, where it is not kept yet.
    pub(crate) async fn keep_artifacts(&self, plugins: &LoadedPlugins) {
        self.objects.evaluator.keep_artifacts(plugins).await;
    }
}
