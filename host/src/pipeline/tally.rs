//! What became of many objects, in little memory.

use crate::report::{ObjectReport, Outcome};
use std::collections::BTreeMap;
use std::fmt;

/// Failures that are kept.
const MAX_FAILURES: usize = 100;

/// Counts by outcome, and the first failures.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<Outcome, u64>,
    /// Objects that went to the queue.
    pub queued: u64,
    /// Redis keys that their object did not yield any more, and no record led to.
    pub strays: u64,
    /// The first 100 failures.
    pub failures: Vec<ObjectReport>,
    /// Where and why it ended before the end, if it did.
    pub stopped: Option<String>,
}

impl Tally {
    /// How many objects had that outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts.get(&outcome).copied().unwrap_or(0)
    }

    /// Whether all was done and nothing failed.
    pub fn is_success(&self) -> bool {
        self.stopped.is_none() && self.count(Outcome::Failed) == 0
    }

    pub(super) fn add(&mut self, report: ObjectReport) {
        *self.counts.entry(report.outcome).or_default() += 1;
        if report.outcome == Outcome::Failed && self.failures.len() < MAX_FAILURES {
            self.failures.push(report);
        }
    }

    pub(super) fn add_unchanged(&mut self, objects: u64) {
        *self.counts.entry(Outcome::Unchanged).or_default() += objects;
    }
}

/// One sentence: `3 objects: 1 synced, 2 unchanged`.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.queued + self.counts.values().sum::<u64>();
        write!(
            formatter,
            "{all} {}",
            if all == 1 { "object" } else { "objects" }
        )?;
        let counts = self
            .counts
            .iter()
            .map(|(outcome, count)| (*count, outcome.name()));
        let some = counts
            .chain([(self.queued, "queued")])
            .filter(|(count, _)| *count > 0);
        for (place, (count, name)) in some.enumerate() {
            write!(
                formatter,
                "{} {count} {name}",
                if place == 0 { ":" } else { "," }
            )?;
        }
        match self.strays {
            0 => {}
            1 => formatter.write_str("; 1 stray key")?,
            strays => write!(formatter, "; {strays} stray keys")?,
        }
        match &self.stopped {
            Some(why) => write!(formatter, "; {why}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_small_however_many_failed() {
        let mut tally = Tally::default();
        for number in 0..1000 {
            tally.add(ObjectReport::failed(number.to_string(), "broken"));
        }
        tally.add_unchanged(2);
        assert_eq!(
            (tally.count(Outcome::Failed), tally.failures.len()),
            (1000, 100)
        );
        assert!(!tally.is_success());
        assert_eq!(tally.to_string(), "1002 objects: 2 unchanged, 1000 failed");
    }

    #[test]
    fn stopping_early_is_no_success() {
        let mut tally = Tally::default();
        assert!(tally.is_success());
        tally.strays = 2;
        assert_eq!(tally.to_string(), "0 objects; 2 stray keys");
        tally.stopped = Some("stopped at `k`".into());
        assert!(!tally.is_success());
        assert_eq!(tally.to_string(), "0 objects; 2 stray keys; stopped at `k`");
    }
}
