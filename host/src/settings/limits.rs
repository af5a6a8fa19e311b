//! What plugins may use.

use std::time::Duration;

/// What one run of a plugin may use, unless its route says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel: roughly one unit an instruction.
    pub fuel: u64,
    /// Wall clock.
    pub time: Duration,
    /// All linear memories and tables of an instance together, in bytes.
    pub memory_bytes: usize,
    /// Keys and values it may return, in bytes.
    pub output_bytes: usize,
}

/// The most that a route may give its plugins; what is not set is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// `FUEL_CEILING`.
    pub fuel: Option<u64>,
    /// `TIME_CEILING_MS`.
    pub time: Option<Duration>,
    /// `MEMORY_CEILING_MIB`, in MiB.
    pub memory_mib: Option<u32>,
}
