//! Runs a plugin on one object, with everything it could do wrong bounded.
//!
//! One [`Sandbox`] a process: the engine, and the imports every plugin is linked against. One
//! [`Plugin`] a module: compiled, linked, ready to be instantiated. One store an object: a fresh
//! instance for each, so nothing leaks from one object to the next.
//!
//! What the guest does is bounded by fuel, what it holds by the memory limit, what it hands over
//! by the output limit, and whatever is left by the wall clock. No import waits. Memory that grows waits for the
//! budget, for which a run's time does not count.
//!
//! Deterministic: fuel counts instructions, clocks and random numbers are derived from the object
//! and the module, NaNs are canonical.

mod artifact;
mod bindings;
mod clock;
mod deadline;
mod engine;
mod error;
mod guest_log;
mod input;
mod limits;
mod memory;
mod plugin;
mod program;
mod random;
mod run;
mod state;
mod stdio;
mod wasi;

pub use artifact::{Identity, Unusable, compile, compile_portable, portable_engine_hash};
pub use error::{Failure, LoadError};
pub use input::{Input, Kind};
pub use plugin::Plugin;
pub use run::{Ran, Yield};

use deadline::Deadlines;
use state::State;
use wasmtime::{Engine, Linker, component};

/// The engine, and what every plugin is linked against.
pub struct Sandbox {
    /// Runs machine code. It compiles none: a child process does.
    engine: Engine,
    /// Everything that a component can import.
    components: component::Linker<State>,
    /// Everything that a program can.
    programs: Linker<State>,
    /// Ends the runs whose time is over.
    deadlines: Deadlines,
}

impl Sandbox {
    /// Sets up an engine with room for `concurrency` runs at a time.
    pub fn new(concurrency: usize) -> Result<Self, LoadError> {
        let engine = engine::new(concurrency).map_err(LoadError::engine)?;
        let components = wasi::linker(&engine).map_err(LoadError::engine)?;
        let programs = program::linker(&engine).map_err(LoadError::engine)?;
        let deadlines = Deadlines::watch(&engine).map_err(LoadError::engine)?;
        Ok(Self {
            engine,
            components,
            programs,
            deadlines,
        })
    }
}
