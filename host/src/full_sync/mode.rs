//! What a full sync does with the objects it goes through, and who does it.

use crate::pipeline::Rerun;
use crate::queue::Queue;

/// What is done with the objects that may not be up to date.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// Nothing is written, no ticket taken: what would become of them is counted.
    DryRun(Rerun),
    /// Each is brought up to date; with [`Rerun::Always`] all others as well.
    Write(Rerun, By<'a>),
}

/// Who brings objects up to date.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// The sync itself.
    Itself,
    /// The sync itself for half of the time that there is. After that their keys are sent to this queue, so
    /// that it gets to its end in a few invocations, however long the objects take.
    Half(&'a Queue),
    /// Whoever receives their keys, which are sent to this queue.
    Queue(&'a Queue),
}

impl Mode<'_> {
    /// Whether plugins run again although nothing has changed.
    pub(super) fn rerun(self) -> Rerun {
        match self {
            Self::DryRun(rerun) | Self::Write(rerun, _) => rerun,
        }
    }
}
