//! Why an object failed, and whether a repetition may mend it.

use crate::ledger::LedgerError;
use crate::queue::QueueError;
use crate::report::{ObjectReport, Reason};
use crate::store::StoreError;
use std::sync::Arc;

/// Why an object failed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// S3 could not be read.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// There are more plugins under that prefix than are listed for every event.
    #[error(
        "there are more than {modules} modules, or {objects} objects, under `{prefix}`: remove those that no route needs"
    )]
    TooManyPlugins {
        /// The prefix.
        prefix: String,
        /// How many modules there may be.
        modules: usize,
        /// How many objects.
        objects: usize,
    },
    /// Redis could not be asked, or refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its route, its plugin or what that returned.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// A key it yields is not free, and its owner does not give it up.
    #[error("{0}")]
    Conflict(String),
    /// A key it yields is not free, and what its owner is by now could not be found out.
    #[error("{conflict}, which could not be brought up to date: {cause}")]
    Owner {
        /// Which key, and who has it.
        conflict: String,
        /// What failed.
        cause: Box<Self>,
    },
    /// It, or an object it is committed together with, changed under every attempt.
    #[error("it changes faster than it can be committed")]
    Contended,
    /// There is no memory now for the object that it is committed together with.
    #[error(
        "there is no memory now to commit it together with the object whose keys it takes over"
    )]
    Crowded,
    /// The queue does not take it.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A transform that failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransformError {
    /// The plugin that its route names; several are joined by commas.
    pub plugin: Option<String>,
    /// Fuel used until then.
    pub fuel: Option<u64>,
    /// The most memory that one of its plugins had until then, in bytes.
    pub memory_bytes: Option<u64>,
    /// The whole message.
    pub message: String,
    /// Whether it was the host that could not run it.
    pub temporary: bool,
    /// The basis that it was run on, where it was run.
    pub basis: Option<String>,
    /// Why, in one word.
    pub reason: Reason,
}

impl TransformError {
    /// A failure that no run of a plugin has led to, and a repetition does not mend.
    pub(super) fn new(reason: Reason, message: String) -> Self {
        Self {
            plugin: None,
            fuel: None,
            memory_bytes: None,
            message,
            temporary: false,
            basis: None,
            reason,
        }
    }

    /// The same of a run on this basis.
    pub(super) fn on(self, basis: &str) -> Self {
        Self {
            basis: Some(basis.to_owned()),
            ..self
        }
    }
}

impl ChangeError {
    /// Whether a repetition may mend it, all else being equal: what S3 or Redis did not answer is
    /// worth one, what they refuse is not. A transform comes to the same end every time, unless it
    /// was the host that could not run it, and a key stays taken until its owner changes.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Store(error) => matches!(**error, StoreError::Unavailable { .. }),
            Self::Ledger(error) => matches!(error, LedgerError::Unavailable { .. }),
            Self::Transform(error) => error.temporary,
            Self::Owner { cause, .. } => cause.is_temporary(),
            Self::Contended | Self::Crowded | Self::Queue(_) => true,
            Self::Conflict(_) | Self::TooManyPlugins { .. } => false,
        }
    }

    /// Why, in one word.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Store(error) => match **error {
                StoreError::TooLarge { .. } | StoreError::Endless { .. } => Reason::Size,
                StoreError::Unavailable { .. } => Reason::S3,
                _ => Reason::Access,
            },
            Self::TooManyPlugins { .. } => Reason::Route,
            Self::Ledger(LedgerError::Unavailable { .. }) => Reason::Redis,
            Self::Ledger(_) => Reason::RedisRefused,
            Self::Transform(error) => error.reason,
            Self::Conflict(_) | Self::Owner { .. } => Reason::Conflict,
            Self::Contended => Reason::Contended,
            Self::Crowded => Reason::Memory,
            Self::Queue(_) => Reason::S3,
        }
    }

    /// The basis that plugins were run on and failed, as they are likely to do again.
    pub(super) fn basis(&self) -> Option<&str> {
        match self {
            Self::Transform(error) => error.basis.as_deref(),
            _ => None,
        }
    }

    /// The report of an object that failed by it.
    pub(crate) fn report(&self, key: impl Into<String>) -> ObjectReport {
        let report = ObjectReport {
            temporary: self.is_temporary(),
            ..ObjectReport::failed(key, self).because(self.reason())
        };
        match self {
            Self::Transform(TransformError { plugin, fuel, .. }) => ObjectReport {
                plugin: plugin.clone(),
                fuel: *fuel,
                ..report
            },
            _ => report,
        }
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(cause: ChangeError) -> ChangeError {
        ChangeError::Owner {
            conflict: "the Redis key `k` belongs to the object `o`".into(),
            cause: Box::new(cause),
        }
    }

    #[test]
    fn a_conflict_is_as_temporary_as_what_keeps_its_owner_from_being_read() {
        let outage = LedgerError::Unavailable {
            address: "redis:6379".into(),
            cause: "timed out".into(),
        };
        let error = owner(outage.into());
        assert!(error.is_temporary());
        assert_eq!(
            error.to_string(),
            "the Redis key `k` belongs to the object `o`, which could not be brought up to date: Redis at redis:6379 is not available: timed out"
        );
        assert!(!owner(TransformError::new(Reason::Route, "broken".into()).into()).is_temporary());
    }
}
