//! An object in hand, and what a route makes of it: without a bucket, without Redis.
//!
//! For the command line. It is the way of every object: the same cache and compiling child load the
//! modules, the plugins run under the same limits, and what they return is checked in the same words.
//! Only the object, the modules and the route come from the caller.

use super::SetupError;
use super::decide::Rerun;
use super::error::ChangeError;
use super::evaluate::{Evaluation, Evaluator};
use super::notes::Notes;
use super::room::{Conditions, Turn};
use super::transform::Transforms;
use crate::budget::Budget;
use crate::entry::EntrySet;
use crate::ledger::{Record, Write};
use crate::number::to_u64;
use crate::object::Object;
use crate::plugin::{
    ArtifactStore, CompileLimits, Compiler, Loaded, Module, ModuleCache, PluginError,
};
use crate::route::{PluginList, Route};
use crate::sandbox::Sandbox;
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use aws_config::{BehaviorVersion, SdkConfig};
use bytes::Bytes;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Runs the plugins of routes on objects that are in hand.
pub struct Trial {
    evaluator: Evaluator,
}

/// What came of an object.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What would be written.
    pub entries: EntrySet,
    /// Fuel used by all plugins of the route.
    pub fuel: u64,
    /// The most memory that one of them had, in bytes.
    pub memory_bytes: u64,
}

impl Trial {
    /// Sets up a sandbox with the settings' limits; `compiler` is the program that is the compiling
    /// child. Neither bucket nor Redis are ever asked.
    pub fn new(settings: &Settings, compiler: &Path) -> Result<Self, SetupError> {
        let sandbox = Arc::new(Sandbox::new(settings.concurrency)?);
        let limits = CompileLimits {
            memory_bytes: settings.memory.compile_bytes,
            processor: super::COMPILE_TIME,
        };
        let compiler = Compiler::new(compiler, limits);
        let budget = Budget::new(settings.memory.work_bytes);
        let (artifacts, code_bytes) = (ArtifactStore::default(), settings.memory.code_bytes);
        let modules = ModuleCache::new(sandbox, artifacts, compiler, budget.clone(), code_bytes);
        let nowhere = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .build();
        let store = Store::new(&nowhere, &settings.bucket, false);
        let transforms = Transforms::new(modules, store.clone(), settings);
        Ok(Self {
            evaluator: Evaluator::new(store, transforms, budget, settings),
        })
    }

    /// Loads a module as the plugin `name`. The caller's plugin list is to have it under the same
    /// entity tag.
    pub async fn load(&self, name: &str, etag: &str, bytes: Bytes) -> Result<Loaded, PluginError> {
        let module = Module {
            etag: etag.to_owned(),
            bytes,
        };
        let fetch = move |_| std::future::ready(Ok::<_, Infallible>(module.clone()));
        let modules = &self.evaluator.transforms.modules;
        match modules.load(name, etag, fetch).await {
            Ok(loaded) => loaded,
            Err(never) => match *never {},
        }
    }

    /// Runs the plugins of `route`, which have been loaded, on an object.
    pub async fn run(
        &self,
        object: &Object,
        route: &Route,
        plugins: &PluginList,
    ) -> Result<Tried, ChangeError> {
        let size = to_u64(object.body.len());
        StoreError::check_size(&object.key, size, self.evaluator.size_limit)?;
        let transforms = &self.evaluator.transforms;
        let transform = transforms.load(&object.key, route, plugins).await?;
        let notes = Notes::default();
        let conditions = Conditions {
            notes: &notes,
            rerun: Rerun::Always,
            turn: Turn::Wait,
            deadline: Instant::now() + super::LONGEST,
        };
        let rooms = &self.evaluator.rooms;
        let account = rooms
            .open(&object.key, Some(&transform), conditions)
            .await?;
        let record = Record::default();
        let decided =
            self.evaluator
                .decide(object, &record, Some(&transform), conditions, &account);
        let Evaluation {
            write, foreseen, ..
        } = decided.await?;
        let entries = match write {
            Write::Entries(entries) => entries,
            Write::Unchanged => EntrySet::default(),
        };
        Ok(Tried {
            entries,
            fuel: foreseen.fuel.unwrap_or(0),
            memory_bytes: foreseen.memory_bytes.unwrap_or(0),
        })
    }
}
