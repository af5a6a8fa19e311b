//! Modules, from the bytes in the bucket to something that runs.
//!
//! The sandbox runs one kind of thing, components: the core modules that the SDK and WASI toolchains
//! build are turned into [`component`]s, within the [`bounds`] of what is compiled. [`ModuleCache`]
//! loads each module once however many objects wait for it, and holds the most recently used ones;
//! the [`compiler`] makes machine code of them; [`ArtifactStore`] is where that outlives the process.

mod artifact_store;
mod bounds;
mod compiler;
mod component;
mod error;
mod module_cache;
#[cfg(test)]
mod tests;

pub use artifact_store::{ArtifactStore, precompile};
pub use error::PluginError;
pub use module_cache::{Loaded, Module, ModuleCache};

/// The largest module that is loaded, in bytes.
pub const MAX_MODULE_BYTES: u64 = 64 << 20;
