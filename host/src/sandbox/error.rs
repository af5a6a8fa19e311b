//! Why a module cannot be loaded, and why a run failed.

use super::limits::{MAX_HANDLES, MAX_RANDOM_BYTES, MAX_WASM_STACK};
use std::time::Duration;

/// Why a component or a program cannot be used.
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

/// Why a run failed: what the plugin did, with the limit's value. [`Failure::describe`] says the rest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Failure {
    /// The fuel is used up.
    #[error("used up its {0} fuel")]
    OutOfFuel(u64),
    /// The time is over.
    #[error("ran longer than {} ms", .0.as_millis())]
    OutOfTime(Duration),
    /// Memories and tables together would be larger than the limit.
    #[error("needs more than {0} MiB of memory")]
    OutOfMemory(usize),
    /// It handed over more than the limit.
    #[error("returned more than {0} bytes")]
    OutputTooLarge(usize),
    /// The call stack is exhausted.
    #[error("exhausted its call stack of {} KiB", MAX_WASM_STACK >> 10)]
    StackOverflow,
    /// It holds more streams, pollables and other handles than it may.
    #[error("has more than {MAX_HANDLES} handles open at a time")]
    TooManyHandles,
    /// It asked for more random bytes than it may.
    #[error("asked for more than {MAX_RANDOM_BYTES} random bytes at a time")]
    TooRandom,
    /// The host ran out of what the plugin is allowed to use: memory, or room for one more instance.
    #[error("could not be given what it needs by the host")]
    Host(String),
    /// It exited where it should have returned.
    #[error("exited with status {0} instead of returning")]
    Exited(i32),
    /// Its time was over and it did not stop, since a call into the host did not come back.
    #[error("did not stop when its {} ms were over, and was left to itself", .0.as_millis())]
    Stuck(Duration),
    /// It trapped.
    #[error("trapped")]
    Trapped(String),
    /// It returned an error, or exited with a status other than 0.
    #[error("failed")]
    Returned(String),
}

impl Failure {
    /// Whether a repetition may come to another end: only where it was not the plugin that failed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Host(_))
    }

    /// The whole message: which plugin, on which object, and where a limit is raised.
    pub fn describe(&self, plugin: &str, object: &str) -> String {
        let (limit, key) = match self {
            Self::OutOfFuel(_) => ("FUEL_LIMIT", "fuel"),
            Self::OutOfTime(_) => ("TIME_LIMIT_MS", "time_ms"),
            Self::OutOfMemory(_) => ("MEMORY_LIMIT_MIB", "memory_mib"),
            Self::OutputTooLarge(_) => {
                return format!("plugin `{plugin}` {self} on `{object}` (raise MAX_OUTPUT_BYTES)");
            }
            Self::StackOverflow
            | Self::TooManyHandles
            | Self::TooRandom
            | Self::Exited(_)
            | Self::Stuck(_) => return format!("plugin `{plugin}` {self} on `{object}`"),
            Self::Host(why) | Self::Trapped(why) | Self::Returned(why) => {
                return format!("plugin `{plugin}` {self} on `{object}`: {why}");
            }
        };
        format!("plugin `{plugin}` {self} on `{object}` (raise {limit}, or `{key}` of its route)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_host_lacked_may_end_otherwise_the_next_time() {
        assert!(Failure::Host("no memory".to_owned()).is_temporary());
        let own = [
            Failure::OutOfTime(Duration::from_secs(1)),
            Failure::Trapped("unreachable".to_owned()),
            Failure::Returned("broken".to_owned()),
        ];
        assert!(!own.iter().any(Failure::is_temporary));
    }
}
