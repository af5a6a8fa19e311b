//! Modules, from the bytes in the bucket to something that runs.
//!
//! The sandbox runs components, and programs for WASI preview 1 as they are: core modules that state the interface
//! are made [`component`]s first, within the [`bounds`] of what is compiled. [`ModuleCache`]
//! loads each module once however many objects wait for it, and holds the most recently used ones;
//! the [`Compiler`] has machine code made of them in a child process ([`compiling`]), so that nothing
//! in a stranger's module can end or starve this one; [`ArtifactStore`] is where machine code outlives
//! the process.

mod artifact_store;
mod bounds;
mod compiler;
mod compiling;
mod component;
mod error;
mod module_cache;
#[cfg(test)]
mod program_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;

pub use artifact_store::{ArtifactStore, precompile, precompile_for};
pub use compiler::Compiler;
pub use compiling::{CompileLimits, run_child};
pub use error::PluginError;
pub use module_cache::{Loaded, Module, ModuleCache};

/// The largest module that is loaded, in bytes.
pub const MAX_MODULE_BYTES: u64 = 64 << 20;
