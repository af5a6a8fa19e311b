//! Why a module cannot be used.

use crate::sandbox::LoadError;
use crate::text::clip;
use std::sync::Arc;

/// Why a module cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PluginError {
    /// It is no WebAssembly, or none that is taken.
    #[error("{0}")]
    Invalid(Arc<str>),
    /// The thread that was to load it came down.
    #[error(
        "the host crashed while it was loaded, which is a defect of the host: the log has the panic"
    )]
    Crashed,
    /// Compiling it was broken off, for a reason that need not be the module's.
    #[error("compiling it was interrupted: {0}")]
    Interrupted(Arc<str>),
    /// No compiling child could be started.
    #[error("no process could be started to compile it: {0}")]
    NoChild(Arc<str>),
}

impl PluginError {
    /// Whether a later attempt may do better.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Interrupted(_) | Self::NoChild(_))
    }

    /// It is refused, for this reason.
    pub(super) fn invalid(why: impl Into<Arc<str>>) -> Self {
        let why: Arc<str> = why.into();
        Self::Invalid(clip(&why).into())
    }

    /// It is not WebAssembly, for this reason.
    pub(super) fn malformed(error: impl std::fmt::Display) -> Self {
        Self::invalid(format!("it is not valid WebAssembly: {error}"))
    }
}

impl From<LoadError> for PluginError {
    fn from(error: LoadError) -> Self {
        Self::invalid(error.to_string())
    }
}
