//! Modules, from the bytes in the bucket to something that runs.
//!
//! The host runs one kind of thing, components: the core modules that the SDK and WASI toolchains
//! build are turned into components. [`Library`] loads each module once however many objects wait
//! for it, and keeps the most recently used ones. [`Compiled`] is where machine code outlives the
//! process.

mod bounds;
mod compile;
mod compiled;
mod component;
mod error;
#[cfg(test)]
mod tests;
mod workshop;

pub use compiled::Compiled as ArtifactStore;
pub use compiled::{Compiled, precompile};
pub use error::PluginError;

use crate::sandbox::{Plugin, Sandbox};
use bytes::Bytes;
use error::MAX_WAIT;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use workshop::Workshop;

/// The largest module that is loaded, in bytes.
pub const MAX_MODULE_BYTES: u64 = 64 << 20;

/// Machine code that is kept in memory, in bytes.
const MAX_COMPILED_BYTES: u64 = 256 << 20;

/// A module as the bucket has it.
#[derive(Clone, Debug)]
pub struct Module {
    /// Entity tag of what was read.
    pub etag: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// A plugin that is ready to run.
#[derive(Clone)]
pub struct Loaded {
    /// The compiled module.
    pub plugin: Plugin,
    /// SHA-256 of the module, in hexadecimal.
    pub digest: Arc<str>,
}

/// A module by name and entity tag.
type Key = (String, String);

/// What came of reading a module.
#[derive(Clone)]
struct Made {
    /// Entity tag of what was read.
    etag: Arc<str>,
    /// The plugin; a module that is invalid is not tried again.
    result: Result<Loaded, PluginError>,
}

/// The plugins that are loaded.
pub struct ModuleCache {
    workshop: Arc<Workshop>,
    plugins: Cache<Key, Made>,
    /// What is being loaded, and until when it is waited for.
    loading: Arc<Mutex<HashMap<Key, Instant>>>,
    /// How long that is.
    max_wait: Duration,
}

impl ModuleCache {
    /// An empty library.
    pub fn new(sandbox: Arc<Sandbox>, compiled: Compiled) -> Self {
        Self::with_room(sandbox, compiled, MAX_COMPILED_BYTES)
    }

    pub async fn keep(&self, _loaded: &Loaded) {}
    fn with_room(sandbox: Arc<Sandbox>, compiled: Compiled, bytes: u64) -> Self {
        let plugins = Cache::builder()
            .max_capacity(bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, made: &Made| {
                let size = made.result.as_ref().map_or(1024, |made| made.plugin.size());
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            workshop: Arc::new(Workshop::new(sandbox, compiled)),
            plugins,
            loading: Arc::default(),
            max_wait: MAX_WAIT,
        }
    }

    /// The same library for whoever must not write: what it compiles is kept in memory alone.
    pub fn reading(&self) -> Self {
        Self {
            workshop: Arc::new(self.workshop.reading()),
            plugins: self.plugins.clone(),
            loading: Arc::clone(&self.loading),
            max_wait: self.max_wait,
        }
    }

    /// The plugin `name` as a listing showed it with `etag`. `fetch` reads the module where it is
    /// not here yet; it may find a newer one than the listing showed, which is then what runs.
    pub async fn load<E, F>(
        &self,
        name: &str,
        etag: &str,
        fetch: impl Fn() -> F,
    ) -> Result<Result<Loaded, PluginError>, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Module, E>> + Send + 'static,
    {
        let key = (name.to_owned(), etag.to_owned());
        loop {
            let fetched = Arc::new(AtomicBool::new(false));
            let made = match self.plugins.get(&key).await {
                Some(made) => made,
                None => match self.make(&key, fetch(), &fetched).await? {
                    Ok(made) => made,
                    Err(error) => return Ok(Err(error)),
                },
            };
            if *made.etag == *etag {
                return Ok(made.result);
            }
            // The module was replaced after a listing. What was read for another object may be
            // older than this one's listing, what was read for this one is not.
            self.plugins.invalidate(&key).await;
            if fetched.load(Ordering::Relaxed) {
                return Ok(made.result);
            }
        }
    }

    /// Makes the plugin, or waits for whoever does. It goes on where the caller gives up, so that
    /// a module which takes long is there in the end.
    async fn make<E: Send + Sync + 'static>(
        &self,
        key: &Key,
        fetch: impl Future<Output = Result<Module, E>> + Send + 'static,
        fetched: &Arc<AtomicBool>,
    ) -> Result<Result<Made, PluginError>, Arc<E>> {
        let deadline = *lock(&self.loading)
            .entry(key.clone())
            .or_insert_with(|| Instant::now() + self.max_wait);
        let (plugins, workshop) = (self.plugins.clone(), Arc::clone(&self.workshop));
        let (loading, fetched, key) = (Arc::clone(&self.loading), Arc::clone(fetched), key.clone());
        let making = tokio::spawn(async move {
            let make = async {
                fetched.store(true, Ordering::Relaxed);
                let module = fetch.await?;
                Ok(Made {
                    etag: module.etag.as_str().into(),
                    result: workshop.make(module).await,
                })
            };
            let made = plugins.try_get_with_by_ref(&key, make).await;
            lock(&loading).remove(&key);
            made
        });
        match tokio::time::timeout_at(deadline, making).await {
            Ok(Ok(made)) => made.map(Ok),
            Ok(Err(_panic)) => Ok(Err(PluginError::Crashed)),
            Err(_) => Ok(Err(PluginError::Slow)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
