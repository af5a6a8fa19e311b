//! From a module's bytes to a plugin; without the caches, which need S3.

#[path = "../../host/src/plugin/bounds.rs"]
mod bounds;
#[path = "../../host/src/plugin/compiler.rs"]
mod compiler;
#[path = "../../host/src/plugin/compiling.rs"]
mod compiling;
#[path = "../../host/src/plugin/component.rs"]
mod component;
#[path = "../../host/src/plugin/error.rs"]
mod error;

pub use error::PluginError;

use crate::budget::Account;
use crate::sandbox::{self, Plugin, Sandbox};
use bytes::Bytes;
use compiler::Compiler;
use compiling::CompileLimits;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Runtime;

/// What a compiling child may use; little, so that what exhausts it does so soon.
const LIMITS: CompileLimits = CompileLimits {
    memory_bytes: 192 << 20,
    processor: Duration::from_secs(5),
};

/// Checks a module, makes it a component and compiles that, as a compiling child does.
pub fn compile(sandbox: &Sandbox, module: &[u8]) -> Result<Plugin, PluginError> {
    let prepared = component::prepare(module)?;
    let code = sandbox::compile(&prepared)?;
    let failed = |error: &dyn std::fmt::Display| PluginError::invalid(error.to_string());
    let file = std::env::temp_dir().join(format!("redis-sync-fuzz-{}", std::process::id()));
    std::fs::write(&file, code).map_err(|error| failed(&error))?;
    let plugin = sandbox.map(&file).map_err(|error| failed(&error));
    // What is mapped stays mapped.
    let _ = std::fs::remove_file(&file);
    plugin
}

/// Has all of that done in a compiling child: the Lambda's own binary, not instrumented, as `make fuzz`
/// builds it.
///
/// # Panics
///
/// No child can be started.
pub fn compile_in_child(sandbox: &Arc<Sandbox>, module: &[u8]) -> Result<Plugin, PluginError> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime starts")
    });
    static COMPILER: LazyLock<Compiler> = LazyLock::new(|| {
        let program = std::env::current_dir().expect("a folder").join("target/debug/bootstrap");
        Compiler::new(program, LIMITS)
    });
    let account = Account::unbounded();
    let compiled = COMPILER.compile(sandbox, Bytes::copy_from_slice(module), &account);
    let compiled = RUNTIME.block_on(compiled);
    if let Err(PluginError::NoChild(why)) = &compiled {
        panic!("run it from the root of the project, as `make fuzz` does: {why}");
    }
    compiled
}

/// Checks a module and makes it a component.
pub fn check(module: &[u8]) -> Result<(), PluginError> {
    component::prepare(module).map(drop)
}
