//! What a notification says: which objects may have changed.

use super::origin::Origin;
use super::problem::Problems;

/// An object that may have changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Change {
    /// The bucket the event names; `None` where the channel does not say.
    pub bucket: Option<String>,
    /// The object's key, decoded.
    pub key: String,
}

/// What a notification says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The objects that may have changed.
    pub changes: Vec<Change>,
    /// Who has put which of them, where it is told.
    pub origins: Vec<Origin>,
    /// What is wrong with records that cannot be read. The others stand.
    pub problems: Problems,
}

impl Delivery {
    /// A single change.
    pub(super) fn of(change: Change, origin: Option<Origin>) -> Self {
        Self {
            changes: vec![change],
            origins: origin.into_iter().collect(),
            problems: Problems::default(),
        }
    }

    /// What both of them say.
    pub(super) fn extend(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.origins.extend(other.origins);
        self.problems.extend(other.problems);
    }
}
