//! The host's log.
//!
//! [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info),
//! [`warn!`](crate::warn) and [`error!`](crate::error) format like [`println!`]. In the sandbox the
//! host keeps the first lines of a run, each up to a length, and says how many it dropped; natively
//! they go to standard error, where `cargo test` captures them.

use std::fmt;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For diagnosis.
    Debug,
    /// What happened.
    Info,
    /// It went on, but not as it should.
    Warn,
    /// Someone must act.
    Error,
}

/// Writes one line. The macros are shorter.
#[cfg(target_family = "wasm")]
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    crate::guest::write_log(level, &message.to_string());
}

/// Writes one line. The macros are shorter.
#[cfg(not(target_family = "wasm"))]
#[expect(
    clippy::print_stderr,
    reason = "natively there is no other log, and tests capture it"
)]
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    let level = format!("{level:?}").to_lowercase();
    eprintln!("{level}: {message}");
}

/// Writes a line at level trace: every step.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Trace, ::core::format_args!($($message)+))
    };
}

/// Writes a line at level debug: for diagnosis.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($message)+))
    };
}

/// Writes a line at level info: what happened.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Info, ::core::format_args!($($message)+))
    };
}

/// Writes a line at level warn: it went on, but not as it should.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($message)+))
    };
}

/// Writes a line at level error: someone must act.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Error, ::core::format_args!($($message)+))
    };
}
