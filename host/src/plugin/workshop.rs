//! Makes plugins of modules: out of what is kept compiled, or by compiling.

use super::compile::compile;
use super::compiled::{Compiled, Found};
use super::{Loaded, Module, PluginError};
use crate::fingerprint::sha256;
use crate::sandbox::{Plugin, Sandbox};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Modules that are compiled at a time.
const MAX_COMPILING: usize = 2;

/// Makes plugins.
pub(super) struct Workshop {
    sandbox: Arc<Sandbox>,
    compiled: Compiled,
    /// One permit a module that is being compiled.
    compiling: Arc<Semaphore>,
}

impl Workshop {
    pub(super) fn new(sandbox: Arc<Sandbox>, compiled: Compiled) -> Self {
        Self {
            sandbox,
            compiled,
            compiling: Arc::new(Semaphore::new(MAX_COMPILING)),
        }
    }

    /// The same, where nothing is kept outside the process.
    pub(super) fn reading(&self) -> Self {
        Self {
            sandbox: Arc::clone(&self.sandbox),
            compiled: self.compiled.reading(),
            compiling: Arc::clone(&self.compiling),
        }
    }

    pub(super) async fn make(&self, module: Module) -> Result<Loaded, PluginError> {
        let bytes = module.bytes.clone();
        let digest: Arc<str> = blocking(move || Ok(sha256(&bytes).into())).await?;
        let started = Instant::now();
        let (plugin, place) = match self.compiled.find(&self.sandbox, &digest).await {
            Some(Found { plugin, place }) => (plugin, place),
            None => (self.compile(&digest, module.bytes).await?, "compiled"),
        };
        let load_ms = started.elapsed().as_secs_f64() * 1000.0;
        let code_bytes = plugin.size();
        tracing::info!(
            digest = &*digest,
            place,
            load_ms,
            code_bytes,
            "module loaded"
        );
        Ok(Loaded { plugin, digest })
    }

    async fn compile(&self, digest: &str, module: Bytes) -> Result<Plugin, PluginError> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.compiling).acquire_owned().await;
        let sandbox = Arc::clone(&self.sandbox);
        let plugin = blocking(move || {
            let _permit = permit;
            compile(&sandbox, &module)
        })
        .await?;
        self.compiled.keep(&self.sandbox, digest, &plugin).await;
        Ok(plugin)
    }
}

/// A module that makes the compiler panic fails the objects that need it, no others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(PluginError::Crashed))
}
