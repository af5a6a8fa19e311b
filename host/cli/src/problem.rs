//! Errors that say what to do next.

use std::fmt::Display;

/// Why a command could not be carried out, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Problem {
    /// What is wrong.
    what: String,
    /// What to do next.
    pub(crate) next: String,
}

/// A problem, and what to do about it.
pub(crate) fn problem(what: impl Into<String>, next: impl Into<String>) -> anyhow::Error {
    let (what, next) = (what.into(), next.into());
    Problem { what, next }.into()
}

/// Adds to an error what was tried and what to do next.
pub(crate) trait Advise<T> {
    /// `what` could not be done: `next`.
    fn advise(self, what: impl FnOnce() -> String, next: &str) -> anyhow::Result<T>;
}

impl<T, E: Display> Advise<T> for Result<T, E> {
    fn advise(self, what: impl FnOnce() -> String, next: &str) -> anyhow::Result<T> {
        self.map_err(|error| problem(format!("{}: {error}", what()), next))
    }
}
