//! From a module's bytes to machine code.

use super::{PluginError, component};
use crate::sandbox::{Plugin, Sandbox};

/// Threads that compile one module. They are its own, so that a module which takes long shares the
/// processor with others instead of standing before them in a queue.
const MAX_THREADS: usize = 4;

/// Native stack of such a thread, in bytes.
const STACK: usize = 8 << 20;

/// Checks a module, makes it a component and compiles that. Takes as long as compiling takes: not
/// for an async thread.
pub(super) fn compile(sandbox: &Sandbox, module: &[u8]) -> Result<Plugin, PluginError> {
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
