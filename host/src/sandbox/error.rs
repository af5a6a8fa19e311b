//! Why a module cannot be loaded, and why a run failed.

use std::time::Duration;

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// Not valid WebAssembly, or more than the engine takes.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// It imports what is not offered.
    #[error("it needs an import that is not offered: {0}")]
    Import(String),
    /// It exports neither `transform` nor `wasi:cli/run`.
    #[error("it exports neither `transform` (redis-sync:transform@0.1.0) nor `wasi:cli/run`")]
    NoExport,
}

impl LoadError {
    pub(super) fn engine(error: impl std::fmt::Display) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}

/// Why a run failed. Each limit says its value and where to raise it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Failure {
    /// The fuel is used up.
    #[error("used up its {0} fuel (raise FUEL_LIMIT, or `fuel` of its route)")]
    OutOfFuel(u64),
    /// The time is over.
    #[error("ran longer than {} ms (raise TIME_LIMIT_MS, or `time_ms` of its route)", .0.as_millis())]
    OutOfTime(Duration),
    /// Memories and tables together would be larger than the limit.
    #[error(
        "needs more than {0} MiB of memory (raise MEMORY_LIMIT_MIB, or `memory_mib` of its route)"
    )]
    OutOfMemory(usize),
    /// It handed over more than the limit.
    #[error("returned more than {0} bytes (raise MAX_OUTPUT_BYTES)")]
    OutputTooLarge(usize),
    /// The call stack is exhausted.
    #[error("exhausted its call stack")]
    StackOverflow,
    /// It has more instances, memories or tables than there is room for.
    #[error("cannot be instantiated: {0}")]
    Instantiate(String),
    /// It trapped.
    #[error("trapped: {0}")]
    Trapped(String),
    /// It returned an error, or exited with a status other than 0.
    #[error("failed: {0}")]
    Returned(String),
}
