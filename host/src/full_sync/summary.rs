//! What became of many objects, in little memory.

use crate::event::{Chain, SyncRequest};
use crate::ledger::ScanPlace;
use crate::report::{ObjectReport, Outcome};
use crate::text::counted;
use std::collections::BTreeMap;
use std::fmt;

/// Failures that are kept.
const MAX_FAILURES: usize = 100;

/// Why it goes on when it has reached its end.
const LAST_ARE_LEFT: &str =
    "objects are left that failed before and so come last, call again for them";

/// Objects that are kept of those that a dry run would write or delete.
const MAX_FORESEEN: usize = 1000;

/// Counts by outcome, and the first failures.
#[derive(Debug, Default)]
pub struct Summary {
    counts: BTreeMap<Outcome, u64>,
    /// Objects that went to the queue.
    pub queued: u64,
    /// Redis keys that their object did not yield any more, and that no record led to.
    pub orphans: u64,
    /// Objects of which Redis did not hold what is recorded, though nothing of theirs had changed.
    pub drifted: u64,
    /// The first 100 objects that failed, or were not done in time.
    pub failures: Vec<ObjectReport>,
    /// The first 1,000 objects that would be written or deleted; of a dry run, which has no other way to
    /// tell them.
    pub foreseen: Vec<String>,
    /// Where and why it ended before the end, if it did.
    pub stopped: Option<String>,
    /// Objects that were not done when the time was over.
    pub late: u64,
    /// Those of them that were to come last, since their plugin has failed on them before.
    pub put_off: u64,
    /// Whether all others are done, and what was put off is what it goes on with.
    turns_to_last: bool,
    /// The place up to which all objects have been gone through; none where it did not get that far. Where there were no
    /// objects at all, the place is before any.
    pub reached: Option<String>,
    /// Whether it has gone through any of the Redis keys behind that.
    pub(super) reached_among_keys: bool,
    /// Where the search for stray keys goes on; none where it begins at the front.
    pub search: Option<ScanPlace>,
}

impl Summary {
    /// Of a full sync that ended before anything was done.
    pub(super) fn stopped(why: String) -> Self {
        Self {
            stopped: Some(why),
            ..Self::default()
        }
    }

    /// How many objects had that outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts.get(&outcome).copied().unwrap_or(0)
    }

    /// How many objects had any.
    pub(super) fn handled(&self) -> u64 {
        self.counts.values().sum()
    }

    /// It has come to its end, but for what it has put off itself, or the `chain` of which it is a part.
    pub(super) fn end_pass(&mut self, chain: &Chain) {
        if self.leaves_last(chain) {
            self.turns_to_last = true;
            self.stopped = Some(LAST_ARE_LEFT.to_owned());
        }
    }

    pub(super) fn turns_to_last(&self) -> bool {
        self.turns_to_last
    }

    /// Whether the part after this one of `chain` is to know that something is put off.
    pub(super) fn puts_off(&self, chain: &Chain) -> bool {
        !self.turns_to_last && self.leaves_last(chain)
    }

    /// Whether something is put off, here or in an earlier part of `chain`.
    fn leaves_last(&self, chain: &Chain) -> bool {
        !chain.last && (chain.put_off || self.put_off > 0)
    }

    /// Whether all was done and nothing failed.
    pub fn is_success(&self) -> bool {
        self.stopped.is_none() && self.late == 0 && self.count(Outcome::Failed) == 0
    }

    /// Where one that was asked for goes on: after this key, or at the front where that is empty.
    pub fn place<'a>(&'a self, request: &'a SyncRequest) -> &'a str {
        match &self.reached {
            _ if self.turns_to_last => "",
            Some(reached) => reached,
            None => &request.after,
        }
    }

    /// Whether one that was asked for has got anywhere: to a later place, or so far that the next one finds objects up to
    /// date, which it passes over.
    pub fn has_got_on(&self, request: &SyncRequest) -> bool {
        let is_last = request.chain.as_ref().is_some_and(|chain| chain.last);
        let done = [Outcome::Synced, Outcome::Deleted, Outcome::Superseded];
        let passes_over = match is_last {
            // What has failed again is not tried once more.
            true => self.handled() > 0,
            false => !request.force && done.iter().any(|outcome| self.count(*outcome) > 0),
        };
        self.reached_among_keys
            || self.turns_to_last
            || passes_over
            || self.place(request) > request.after.as_str()
    }

    pub(super) fn add(&mut self, report: ObjectReport) {
        if report.late {
            self.late += 1;
        } else {
            *self.counts.entry(report.outcome).or_default() += 1;
        }
        if report.outcome == Outcome::Failed && self.failures.len() < MAX_FAILURES {
            self.failures.push(report);
        }
    }

    /// Adds what would become of an object.
    pub(super) fn foresee(&mut self, report: ObjectReport) {
        let is_due = matches!(report.outcome, Outcome::Synced | Outcome::Deleted);
        if is_due && self.foreseen.len() < MAX_FORESEEN {
            self.foreseen.push(report.key.clone());
        }
        self.add(report);
    }

    pub(super) fn add_unchanged(&mut self, objects: u64) {
        *self.counts.entry(Outcome::Unchanged).or_default() += objects;
    }
}

/// One sentence: `3 objects: 1 synced, 2 unchanged`.
impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.queued + self.late + self.handled();
        formatter.write_str(&counted(all, "object"))?;
        let counts = self
            .counts
            .iter()
            .map(|(outcome, count)| (*count, outcome.name()));
        let some = counts
            .chain([(self.queued, "queued"), (self.late, "not reached")])
            .filter(|(count, _)| *count > 0);
        for (place, (count, name)) in some.enumerate() {
            write!(
                formatter,
                "{} {count} {name}",
                if place == 0 { ":" } else { "," }
            )?;
        }
        if self.drifted > 0 {
            write!(formatter, "; {} had drifted", self.drifted)?;
        }
        match self.orphans {
            0 => {}
            orphans => write!(formatter, "; {}", counted(orphans, "stray key"))?,
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
        let mut summary = Summary::default();
        for number in 0..1000 {
            summary.add(ObjectReport::failed(number.to_string(), "broken"));
        }
        summary.add_unchanged(2);
        assert_eq!(
            (summary.count(Outcome::Failed), summary.failures.len()),
            (1000, 100)
        );
        assert!(!summary.is_success());
        assert_eq!(
            summary.to_string(),
            "1002 objects: 2 unchanged, 1000 failed"
        );
    }

    #[test]
    fn what_is_foreseen_is_named_up_to_a_limit_and_only_where_it_would_change() {
        let mut summary = Summary::default();
        for number in 0..MAX_FORESEEN + 2 {
            summary.foresee(ObjectReport::done(number.to_string(), Outcome::Synced));
        }
        assert_eq!(summary.foreseen.len(), MAX_FORESEEN);
        let mut summary = Summary::default();
        summary.foresee(ObjectReport::failed("k", "broken"));
        assert_eq!((summary.foreseen.len(), summary.failures.len()), (0, 1));
    }

    /// Each object is in one of the counts.
    #[test]
    fn objects_of_all_kinds_are_summed_up() {
        let mut summary = Summary::default();
        summary.add_unchanged(3);
        summary.queued = 5;
        summary.add(ObjectReport::failed("k", "too late").late());
        assert_eq!(summary.count(Outcome::Failed), 0);
        assert_eq!(
            summary.to_string(),
            "9 objects: 3 unchanged, 5 queued, 1 not reached"
        );
        assert!(!summary.is_success());
    }

    /// A sync sends itself the rest only then.
    #[test]
    fn one_that_went_through_objects_or_keys_has_got_on() {
        let request = |after: &str, force| SyncRequest {
            after: after.to_owned(),
            force,
            ..SyncRequest::default()
        };
        let got_on = |summary: &Summary, after: &str| summary.has_got_on(&request(after, true));
        let summary = Summary::default();
        assert!(!got_on(&summary, "") && !got_on(&summary, "a"));
        let reached = Some(String::from("b"));
        let mut summary = Summary { reached, ..summary };
        assert!(got_on(&summary, "a") && !got_on(&summary, "b"));
        // What is done is passed over the next time, but where plugins run in any case.
        summary.add(ObjectReport::done("c", Outcome::Synced));
        assert!(!got_on(&summary, "b") && summary.has_got_on(&request("b", false)));
        let summary = Summary {
            reached_among_keys: true,
            ..summary
        };
        assert!(got_on(&summary, "b"));
    }

    #[test]
    fn stopping_early_is_no_success() {
        let mut summary = Summary::default();
        assert!(summary.is_success());
        (summary.drifted, summary.orphans) = (1, 2);
        assert_eq!(
            summary.to_string(),
            "0 objects; 1 had drifted; 2 stray keys"
        );
        summary.drifted = 0;
        summary.stopped = Some("stopped at `k`".into());
        assert!(!summary.is_success());
        assert_eq!(
            summary.to_string(),
            "0 objects; 2 stray keys; stopped at `k`"
        );
    }
}
