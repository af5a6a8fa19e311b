//! Modules, from the bytes in the bucket to something that runs.
//!
//! The host runs one kind of thing, components. [`component`] turns the core modules that the SDK
//! and WASI toolchains build into components; [`Library`] compiles each module once however many
//! objects wait for it, and keeps the compiled code of the most recently used ones.

mod component;

use crate::fingerprint::sha256;
use crate::sandbox::{LoadError, Plugin, Sandbox};
use bytes::Bytes;
use moka::future::Cache;
use std::sync::Arc;

/// The largest module that is loaded, in bytes.
pub const MAX_MODULE_BYTES: u64 = 64 << 20;

/// Machine code that is kept, in bytes.
const MAX_COMPILED_BYTES: u64 = 512 << 20;

/// Why a module cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PluginError {
    /// It is no WebAssembly, or none that is taken.
    #[error("{0}")]
    Invalid(Arc<str>),
    /// Compiling it came down.
    #[error("it crashes the compiler")]
    Crashed,
}

impl From<LoadError> for PluginError {
    fn from(error: LoadError) -> Self {
        Self::Invalid(error.to_string().into())
    }
}

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
    /// Entity tag of the module it was made from.
    etag: Arc<str>,
}

/// A module by name and entity tag.
type Key = (String, String);

/// The compiled plugins.
pub struct Library {
    sandbox: Arc<Sandbox>,
    /// What came of each module; a module that is invalid is not tried again.
    plugins: Cache<Key, Result<Loaded, PluginError>>,
}

impl Library {
    /// An empty library.
    pub fn new(sandbox: Arc<Sandbox>) -> Self {
        let plugins = Cache::builder()
            .max_capacity(MAX_COMPILED_BYTES)
            .weigher(|_, loaded: &Result<Loaded, PluginError>| {
                let size = loaded.as_ref().map_or(1024, |loaded| loaded.plugin.size());
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        Self { sandbox, plugins }
    }

    /// The plugin `name` as a listing showed it with `etag`. `fetch` reads the module where it is
    /// not here yet; it may find a newer one than the listing showed, which is then what runs.
    pub async fn load<E>(
        &self,
        name: &str,
        etag: &str,
        fetch: impl Future<Output = Result<Module, E>>,
    ) -> Result<Result<Loaded, PluginError>, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let key = (name.to_owned(), etag.to_owned());
        let compile = async {
            let module = fetch.await?;
            Ok(self.compile(module).await)
        };
        let loaded = self.plugins.try_get_with_by_ref(&key, compile).await?;
        if loaded.as_ref().is_ok_and(|loaded| *loaded.etag != *etag) {
            self.plugins.invalidate(&key).await;
        }
        Ok(loaded)
    }

    async fn compile(&self, module: Module) -> Result<Loaded, PluginError> {
        let sandbox = Arc::clone(&self.sandbox);
        let compile = move || {
            let component = component::from_module(&module.bytes)?;
            let plugin = sandbox.prepare(&component)?;
            Ok(Loaded {
                plugin,
                digest: sha256(&module.bytes).into(),
                etag: module.etag.into(),
            })
        };
        // A module that makes the compiler panic fails the objects that need it, no others.
        tokio::task::spawn_blocking(compile)
            .await
            .unwrap_or(Err(PluginError::Crashed))
    }
}
