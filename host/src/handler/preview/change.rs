//! Kinds of change, and how many there are of each.

use serde::Serialize;

/// What would become of a key, or of an element of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Added,
    Changed,
    Removed,
}

/// How many there are of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) changed: u64,
    pub(super) removed: u64,
}

impl Counts {
    /// Counts one more.
    pub(super) fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Added => self.added += 1,
            Kind::Changed => self.changed += 1,
            Kind::Removed => self.removed += 1,
        }
    }

    pub(super) fn add(&mut self, others: &Self) {
        self.added += others.added;
        self.changed += others.changed;
        self.removed += others.removed;
    }
}
