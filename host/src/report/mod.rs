//! What an invocation answers with.

mod reason;

pub use reason::Reason;

use crate::invocation;
use crate::metrics::{Count, RouteName};
use crate::text::clip_to;
use crate::text::counted;
use serde::Serialize;

/// The longest error of an object, in bytes: a few texts from outside, and our own words.
const MAX_ERROR_BYTES: usize = 4000;

/// What became of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its entries were written.
    Synced,
    /// Redis has its entries already.
    Unchanged,
    /// It is not in the bucket; its entries are removed.
    Deleted,
    /// A newer state of it was committed meanwhile.
    Superseded,
    /// No route takes it, and `UNMATCHED=skip`.
    Skipped,
    /// Its last good entries stay.
    Failed,
}

impl Outcome {
    /// Its name in reports and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// The metric that counts objects of it.
    pub fn metric(self) -> Count {
        match self {
            Self::Synced => Count::ObjectsSynced,
            Self::Unchanged => Count::ObjectsUnchanged,
            Self::Deleted => Count::ObjectsDeleted,
            Self::Superseded => Count::ObjectsSuperseded,
            Self::Skipped => Count::ObjectsSkipped,
            Self::Failed => Count::ObjectsFailed,
        }
    }
}

/// One object of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectReport {
    /// Its key.
    pub key: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Redis keys it yields.
    pub entries: usize,
    /// The plugin that its route names; several are joined by commas.
    pub plugin: Option<String>,
    /// Fuel used, where a plugin ran.
    pub fuel: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether a repetition may mend the failure.
    #[serde(skip)]
    pub temporary: bool,
    /// Whether it failed only because the time was over before it was done: a full sync goes on with it.
    #[serde(skip)]
    pub late: bool,
    /// Why it failed, in one word; means nothing where it did not.
    #[serde(skip)]
    pub reason: Reason,
    /// Its route, where the manifest names it.
    #[serde(skip)]
    pub route: RouteName,
}

impl ObjectReport {
    /// A failure before anything was known about the object.
    pub fn failed(key: impl Into<String>, error: &(impl std::fmt::Display + ?Sized)) -> Self {
        let error = error.to_string();
        let error = Some(clip_to(&error, MAX_ERROR_BYTES).to_owned());
        Self {
            key: key.into(),
            outcome: Outcome::Failed,
            entries: 0,
            plugin: None,
            fuel: None,
            error,
            temporary: false,
            late: false,
            reason: Reason::Host,
            route: None,
        }
    }

    /// One that nothing was begun with before the time was over.
    pub fn not_started(key: impl Into<String>) -> Self {
        Self::failed(key, "not started: the invocation's time is nearly over").late()
    }

    /// Whatever became of it, that it did not fail; nothing more is known.
    pub fn done(key: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            outcome,
            error: None,
            ..Self::failed(key, "")
        }
    }

    /// The same for this reason.
    pub fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    /// The same, where a repetition may mend it.
    pub fn temporary(self) -> Self {
        Self {
            temporary: true,
            ..self
        }
    }

    /// The same, where it was not reached in time.
    pub fn late(self) -> Self {
        Self {
            temporary: true,
            late: true,
            reason: Reason::Time,
            ..self
        }
    }

    /// Counts it for the invocation that it belongs to.
    pub fn count(&self) {
        invocation::count(self.outcome.metric(), 1);
        if self.outcome == Outcome::Failed {
            invocation::count(self.reason.metric(), 1);
            invocation::count_failed(&self.route);
        }
    }

    /// Why it failed; `None` where it did not.
    pub fn failure(&self) -> Option<&str> {
        (self.outcome == Outcome::Failed).then(|| self.error.as_deref().unwrap_or_default())
    }
}

/// What became of an invocation's objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `success`, or `error` where any object failed.
    pub status: &'static str,
    /// One sentence.
    pub message: String,
    /// The objects, in the order of the event.
    pub objects: Vec<ObjectReport>,
}

/// Failures that a message spells out; the log has all of them.
const FAILURES_IN_MESSAGE: usize = 20;

/// The first of the failures among these, each with its object.
pub fn spelled<'a>(
    reports: impl IntoIterator<Item = &'a ObjectReport>,
    most: usize,
) -> Vec<String> {
    let spelled = |report: &ObjectReport| Some(format!("`{}`: {}", report.key, report.failure()?));
    reports.into_iter().filter_map(spelled).take(most).collect()
}

impl Report {
    /// A report of these objects.
    pub fn new(objects: Vec<ObjectReport>) -> Self {
        let failed = objects.iter().filter(|object| object.failure().is_some());
        let (status, message) = match failed.count() {
            0 => (
                "success",
                format!("{} done", counted(objects.len(), "object")),
            ),
            failed => {
                let spelled = spelled(&objects, FAILURES_IN_MESSAGE).join("; ");
                let more = failed.saturating_sub(FAILURES_IN_MESSAGE);
                let more = if more > 0 {
                    format!("; and {more} more")
                } else {
                    String::new()
                };
                (
                    "error",
                    format!(
                        "{failed} of {} failed: {spelled}{more}",
                        counted(objects.len(), "object")
                    ),
                )
            }
        };
        Self {
            status,
            message,
            objects,
        }
    }

    /// Whether nothing failed.
    pub fn is_success(&self) -> bool {
        self.status == "success"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_documented_form() {
        let report = Report::new(vec![ObjectReport::failed("a.json", "broken")]);
        let expected = serde_json::json!({
            "status": "error",
            "message": "1 of 1 object failed: `a.json`: broken",
            "objects": [{"key": "a.json", "outcome": "failed", "entries": 0, "plugin": null, "fuel": null, "error": "broken"}],
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
        assert!(Report::new(vec![]).is_success());
    }

    /// Nobody takes for done what was not begun in time, and it comes again.
    #[test]
    fn what_is_not_begun_in_time_fails_and_may_come_again() {
        let report = ObjectReport::not_started("k");
        assert!(report.failure().is_some() && report.temporary && report.late);
        assert_eq!(report.reason, Reason::Time);
        let done = ObjectReport::done("k", Outcome::Synced);
        assert_eq!((done.failure(), done.error.as_deref()), (None, None));
    }

    #[test]
    fn a_message_stays_short_however_many_failed() {
        let failed = |number: usize| ObjectReport::failed(number.to_string(), "broken");
        let report = Report::new((0..1000).map(failed).collect());
        assert!(
            report.message.ends_with("; and 980 more") && report.message.len() < 1000,
            "{}",
            report.message
        );
    }
}
