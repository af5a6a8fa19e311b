//! The modules that are loaded: each once, however many objects wait for it.

use super::MAX_MODULE_BYTES;
use super::artifact_store::{ArtifactStore, Found, KeptModule};
use super::compiler::Compiler;
use super::error::PluginError;
use crate::budget::{Account, Budget};
use crate::fingerprint::sha256;
use crate::invocation;
use crate::metrics::{Count, Sample, milliseconds};
use crate::number::to_u64;
use crate::sandbox::{Plugin, Sandbox};
use bytes::Bytes;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Copies of a plugin's machine code that there are while it is sealed and written.
const SEALING: u64 = 3;

/// Modules that are refused, and remembered by their digests.
const MAX_REFUSALS: u64 = 10_000;

/// How long a module waits for its next attempt after one that was interrupted, or could not be begun. It may
/// be the cause itself, and then its objects are not to keep the compiler from other modules.
const PAUSE: Duration = Duration::from_secs(10);

/// What a module that cannot be used takes in the cache, in bytes.
const REFUSAL_BYTES: usize = 1024;

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
    /// Size of the module, in bytes.
    pub(super) module_bytes: u64,
    /// Whether its machine code is kept outside the process, or need not be.
    is_kept: Arc<AtomicBool>,
}

/// A module by name and entity tag.
type Key = (String, String);

/// What came of reading a module.
#[derive(Clone)]
struct Read {
    /// Entity tag of what was read.
    etag: Arc<str>,
    /// The plugin; a module that is invalid is not tried again.
    result: Result<Loaded, PluginError>,
}

/// Loads modules, and holds the most recently used ones.
pub struct ModuleCache {
    /// Makes plugins of what was read.
    loader: Arc<Loader>,
    /// What was read and is held.
    modules: Cache<Key, Read>,
}

/// Makes plugins of modules: out of an artifact, or by compiling.
struct Loader {
    /// What plugins are linked in.
    sandbox: Arc<Sandbox>,
    /// Makes the machine code that no artifact has.
    compiler: Compiler,
    /// Where machine code is looked for first.
    artifacts: ArtifactStore,
    /// Where memory for modules, artifacts and the compiling child comes from.
    budget: Budget,
    /// Why modules are refused, by their digests: compiling may have taken all that it may.
    refusals: moka::sync::Cache<Arc<str>, PluginError>,
    /// Why others could not be compiled a short while ago; see [`PAUSE`].
    setbacks: moka::sync::Cache<Arc<str>, PluginError>,
}

impl ModuleCache {
    /// A cache with nothing in it, which holds so many bytes of machine code. What loading takes
    /// meanwhile comes from the budget.
    pub fn new(
        sandbox: Arc<Sandbox>,
        artifacts: ArtifactStore,
        compiler: Compiler,
        budget: Budget,
        code_bytes: u64,
    ) -> Self {
        let modules = Cache::builder()
            .max_capacity(code_bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, read: &Read| {
                let size = |loaded: &Loaded| loaded.plugin.size();
                let size = read.result.as_ref().map_or(REFUSAL_BYTES, size);
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            loader: Arc::new(Loader {
                sandbox,
                compiler,
                artifacts,
                budget,
                refusals: moka::sync::Cache::new(MAX_REFUSALS),
                setbacks: moka::sync::Cache::builder()
                    .max_capacity(MAX_REFUSALS)
                    .time_to_live(PAUSE)
                    .build(),
            }),
            modules,
        }
    }

    /// The plugin `name` as a listing showed it with `etag`. `fetch` reads the module where it is
    /// not here yet, into memory of the account it is given; it may find a newer one than the listing
    /// showed, which is then what runs. Writes nothing outside the process. Takes as long as it takes:
    /// who calls it holds no memory meanwhile, and bounds the wait by their own time.
    pub async fn load<E, F>(
        &self,
        name: &str,
        etag: &str,
        fetch: impl Fn(Account) -> F + Clone + Send + 'static,
    ) -> Result<Result<Loaded, PluginError>, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Module, E>> + Send + 'static,
    {
        let key = (name.to_owned(), etag.to_owned());
        loop {
            let fetched = Arc::new(AtomicBool::new(false));
            let read = match self.modules.get(&key).await {
                Some(read) => read,
                None => match self.read(&key, fetch.clone(), &fetched).await? {
                    Ok(read) => read,
                    Err(error) => return Ok(Err(error)),
                },
            };
            if *read.etag == *etag {
                return Ok(read.result);
            }
            // The module was replaced after a listing. What was read for another object may be
            // older than this one's listing, what was read for this one is not.
            self.modules.invalidate(&key).await;
            if fetched.load(Ordering::Relaxed) {
                return Ok(read.result);
            }
        }
    }

    /// Loads a module whose machine code is kept; any other is left to who needs it. For before there is
    /// work: it waits for no memory, and goes on no longer than its caller.
    pub async fn load_kept<E, F>(
        &self,
        name: &str,
        etag: &str,
        fetch: impl FnOnce(Account) -> F,
    ) -> Result<(), E>
    where
        F: Future<Output = Result<Module, E>>,
    {
        let (budget, most) = (&self.loader.budget, MAX_MODULE_BYTES);
        if !self.loader.artifacts.is_used() {
            return Ok(());
        }
        let Ok(Some((account, _))) = budget.try_open(most, 0, Instant::now()) else {
            return Ok(());
        };
        let module = fetch(account.clone()).await?;
        if let Some(loaded) = self.loader.load_kept(module.bytes, &account).await {
            let read = Read {
                etag: module.etag.as_str().into(),
                result: Ok(loaded),
            };
            let key = (name.to_owned(), etag.to_owned());
            self.modules.insert(key, read).await;
        }
        Ok(())
    }

    /// Reads a module and makes a plugin of it, or waits for whoever does. It goes on where the
    /// caller gives up, so that a module which takes long is there in the end.
    async fn read<E, F>(
        &self,
        key: &Key,
        fetch: impl FnOnce(Account) -> F + Send + 'static,
        fetched: &Arc<AtomicBool>,
    ) -> Result<Result<Read, PluginError>, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Module, E>> + Send + 'static,
    {
        let (modules, loader) = (self.modules.clone(), Arc::clone(&self.loader));
        let (fetched, key) = (Arc::clone(fetched), key.clone());
        let reading = invocation::spawn(async move {
            let read = async {
                fetched.store(true, Ordering::Relaxed);
                let account = loader.open().await;
                let module = fetch(account.clone()).await?;
                Ok(Read {
                    etag: module.etag.as_str().into(),
                    result: loader.load(module.bytes, &account).await,
                })
            };
            let read = modules.try_get_with_by_ref(&key, read).await;
            if let Ok(Read {
                result: Err(error), ..
            }) = &read
                && error.is_temporary()
            {
                modules.invalidate(&key).await;
            }
            read
        });
        match reading.await {
            Ok(read) => read.map(Ok),
            Err(_panic) => Ok(Err(PluginError::Crashed)),
        }
    }

    /// Keeps a plugin's machine code for other processes, unless it is kept already. That it cannot
    /// be kept fails nothing. It goes on where the caller gives up: one that is large, or goes through a slow
    /// connection, would not be kept otherwise.
    pub async fn keep(&self, loaded: &Loaded) {
        if loaded.is_kept.swap(true, Ordering::Relaxed) {
            return;
        }
        let (loader, loaded) = (Arc::clone(&self.loader), loaded.clone());
        let keeping = invocation::spawn(async move {
            let is_kept = loader.keep(&loaded).await;
            loaded.is_kept.store(is_kept, Ordering::Relaxed);
        });
        // One that panics is not tried again.
        let _ = keeping.await;
    }
}

impl Loader {
    /// An account for loading one module.
    async fn open(&self) -> Account {
        // Nothing of it waits on a thread that blocks.
        let (compiling, now) = (self.compiler.memory_bytes(), Instant::now());
        let most = MAX_MODULE_BYTES.saturating_add(compiling);
        match self
            .budget
            .open(most.min(self.budget.bytes()), 0, now)
            .await
        {
            Ok((account, _)) => account,
            // It asks for no more than there is.
            Err(_) => Account::unbounded(),
        }
    }

    /// A module whose artifact has room in memory, twice, where compiling it would have.
    fn kept<'a>(&self, digest: &'a str, bytes: u64) -> KeptModule<'a> {
        KeptModule {
            digest,
            bytes,
            most: self.compiler.memory_bytes() / 2,
        }
    }

    /// Keeps a plugin's machine code; whether there is nothing left to do.
    async fn keep(&self, loaded: &Loaded) -> bool {
        // Whoever keeps it may hold memory already, and so must not wait for more.
        let bytes = to_u64(loaded.plugin.size()).saturating_mul(SEALING);
        match self.budget.try_open(bytes, bytes, Instant::now()) {
            Ok(Some(_room)) => {
                let module = self.kept(&loaded.digest, loaded.module_bytes);
                let kept = self.artifacts.keep(&self.sandbox, module, &loaded.plugin);
                kept.await
            }
            Ok(None) => false,
            Err(never) => {
                tracing::warn!(digest = &*loaded.digest, error = %never, "compiled module not kept");
                true
            }
        }
    }

    async fn load(&self, module: Bytes, account: &Account) -> Result<Loaded, PluginError> {
        let started = Instant::now();
        let module_bytes = to_u64(module.len());
        // Only a few are compiled at a time, and those that wait for that have their modules in hand. What
        // a larger module would have needed is not theirs any more, so that no one of them needs less than
        // one that has its turn.
        let can_compile = account.needs_at_most(self.compiler.memory_bytes());
        let digest: Arc<str> = digest(module.clone()).await?.into();
        let (plugin, place) = match self.find(&digest, module_bytes, account).await {
            Some(Found { plugin, place }) => (plugin, place),
            None => {
                can_compile.map_err(|never| PluginError::invalid(never.to_string()))?;
                (self.compile(&digest, module, account).await?, "compiled")
            }
        };
        Ok(loaded(started, digest, module_bytes, plugin, place))
    }

    /// The same where its machine code is kept.
    async fn load_kept(&self, module: Bytes, account: &Account) -> Option<Loaded> {
        let (started, module_bytes) = (Instant::now(), to_u64(module.len()));
        let digest: Arc<str> = digest(module).await.ok()?.into();
        let Found { plugin, place } = self.find(&digest, module_bytes, account).await?;
        Some(loaded(started, digest, module_bytes, plugin, place))
    }

    /// Finds the machine code of a module.
    async fn find(&self, digest: &str, module_bytes: u64, account: &Account) -> Option<Found> {
        let kept = self.kept(digest, module_bytes);
        let found = self.artifacts.find(&self.sandbox, kept, account).await?;
        invocation::count(Count::CompiledHits, 1);
        Some(found)
    }

    async fn compile(
        &self,
        digest: &Arc<str>,
        module: Bytes,
        account: &Account,
    ) -> Result<Plugin, PluginError> {
        let known = self.refusals.get(digest);
        if let Some(error) = known.or_else(|| self.setbacks.get(digest)) {
            return Err(error);
        }
        let started = Instant::now();
        let compiled = self.compiler.compile(&self.sandbox, module, account).await;
        let compile_ms = milliseconds(started.elapsed());
        invocation::measure(&None, Sample::CompileTime, compile_ms);
        if let Err(error) = &compiled {
            let remembered = if error.is_temporary() {
                &self.setbacks
            } else {
                &self.refusals
            };
            remembered.insert(Arc::clone(digest), error.clone());
        }
        compiled
    }
}

/// A plugin that is ready, which is told.
fn loaded(
    started: Instant,
    digest: Arc<str>,
    module_bytes: u64,
    plugin: Plugin,
    place: &'static str,
) -> Loaded {
    let load_ms = milliseconds(started.elapsed());
    let code_bytes = plugin.size();
    tracing::info!(
        digest = &*digest,
        place,
        load_ms,
        code_bytes,
        "module loaded"
    );
    Loaded {
        plugin,
        digest,
        module_bytes,
        is_kept: Arc::new(AtomicBool::new(place != "compiled")),
    }
}

/// SHA-256 of a module, which may have megabytes, on a thread where that may take its time.
async fn digest(module: Bytes) -> Result<String, PluginError> {
    invocation::spawn_blocking(move || sha256(&module))
        .await
        .map_err(|_| PluginError::Crashed)
}

#[cfg(test)]
mod tests;
