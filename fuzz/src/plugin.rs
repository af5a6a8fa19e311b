//! From a module's bytes to a plugin; without the caches, which need S3.

#[path = "../../host/src/plugin/bounds.rs"]
mod bounds;
#[path = "../../host/src/plugin/compile.rs"]
mod compile;
#[path = "../../host/src/plugin/component.rs"]
mod component;
#[path = "../../host/src/plugin/error.rs"]
mod error;

pub use error::PluginError;

use crate::sandbox::{Plugin, Sandbox};

/// Checks a module, makes it a component and compiles that.
pub fn compile(sandbox: &Sandbox, module: &[u8]) -> Result<Plugin, PluginError> {
    compile::compile(sandbox, module)
}

/// Checks a module and makes it a component.
pub fn check(module: &[u8]) -> Result<(), PluginError> {
    component::from_module(module).map(drop)
}
