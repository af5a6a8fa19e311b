//! From a module's bytes to machine code.

use super::{PluginError, component};
use crate::sandbox::{Plugin, Sandbox};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Modules that are compiled at a time.
const MAX_COMPILING: usize = 2;

/// Threads that compile one module. They are its own, so that a module which takes long shares the
/// processor with others instead of standing before them in a queue.
const MAX_THREADS: usize = 4;

/// Native stack of such a thread, in bytes.
const STACK: usize = 8 << 20;

/// Compiles modules, a few at a time.
pub(super) struct Compiler {
    sandbox: Arc<Sandbox>,
    /// One permit a module that is being compiled.
    permits: Arc<Semaphore>,
}

impl Compiler {
    pub(super) fn new(sandbox: Arc<Sandbox>) -> Self {
        Self {
            sandbox,
            permits: Arc::new(Semaphore::new(MAX_COMPILING)),
        }
    }

    /// Checks a module, makes it a component and compiles that. A module that makes the compiler
    /// panic fails the objects that need it, no others.
    pub(super) async fn compile(&self, module: Bytes) -> Result<Plugin, PluginError> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let sandbox = Arc::clone(&self.sandbox);
        let compile = move || {
            let _permit = permit;
            compile(&sandbox, &module)
        };
        tokio::task::spawn_blocking(compile)
            .await
            .unwrap_or(Err(PluginError::Crashed))
    }
}

fn compile(sandbox: &Sandbox, module: &[u8]) -> Result<Plugin, PluginError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(MAX_THREADS))
        .thread_name(|number| format!("compile-{number}"))
        .stack_size(STACK)
        .build()
        .map_err(|error| PluginError::invalid(error.to_string()))?;
    pool.install(|| {
        let component = component::from_module(module)?;
        Ok(sandbox.prepare(&component)?)
    })
}
