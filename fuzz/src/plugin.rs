//! From a module's bytes to a plugin; without the caches, which need S3.

#[path = "../../host/src/plugin/bounds.rs"]
mod bounds;
#[path = "../../host/src/plugin/component.rs"]
mod component;
#[path = "../../host/src/plugin/error.rs"]
mod error;

pub use error::PluginError;

use crate::sandbox::{self, Plugin, Sandbox};

/// Checks a module, makes it a component and compiles that, as a compiling child does.
pub fn compile(sandbox: &Sandbox, module: &[u8]) -> Result<Plugin, PluginError> {
    let component = component::from_module(module)?;
    let code = sandbox::compile(&component)?;
    let failed = |error: &dyn std::fmt::Display| PluginError::invalid(error.to_string());
    let file = std::env::temp_dir().join(format!("redis-sync-fuzz-{}", std::process::id()));
    std::fs::write(&file, code).map_err(|error| failed(&error))?;
    let plugin = sandbox.map(&file).map_err(|error| failed(&error));
    // What is mapped stays mapped.
    let _ = std::fs::remove_file(&file);
    plugin
}

/// Checks a module and makes it a component.
pub fn check(module: &[u8]) -> Result<(), PluginError> {
    component::from_module(module).map(drop)
}
