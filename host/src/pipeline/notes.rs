//! What is noted of an object on its way: for its line in the log, and for metrics.

use super::transform::Transform;
use crate::invocation;
use crate::ledger::Record;
use crate::metrics::{RouteName, Sample, milliseconds};
use crate::number::to_u64;
use crate::object::Object;
use crate::report::{ObjectReport, Outcome};
use parking_lot::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Why an object is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// S3 says that it has changed.
    Event,
    /// Whatever else: a full sync, a plugin that has changed.
    Sync,
}

/// What takes an object's time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Its plugins are loaded.
    Load,
    /// It is read, when there is room.
    Read,
    /// Its plugins run.
    Run,
    /// It is committed.
    Commit,
}

/// What is noted of one object.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Noted>);

#[derive(Clone, Debug, Default)]
struct Noted {
    /// Tickets and the plugin list for all objects of an event together, then in the order of [`Stage`].
    stages: [Option<Duration>; 5],
    route: RouteName,
    version: Option<String>,
    /// Digests of its plugins, joined by commas.
    digest: Option<String>,
    bytes: Option<u64>,
    /// Milliseconds since the Unix epoch.
    last_modified: u64,
    /// Whether Redis had another state of it, or none.
    is_new: bool,
    /// Whether Redis had any.
    is_recorded: bool,
}

impl Notes {
    /// Those of an object that began with this.
    pub(super) fn begun(ticket: Duration, load: Duration) -> Self {
        let noted = Noted {
            stages: [Some(ticket), Some(load), None, None, None],
            ..Noted::default()
        };
        Self(Mutex::new(noted))
    }

    /// Adds the time since then to a stage.
    pub(super) fn time(&self, stage: Stage, since: Instant) {
        let place = match stage {
            Stage::Load => 1,
            Stage::Read => 2,
            Stage::Run => 3,
            Stage::Commit => 4,
        };
        let time = &mut self.0.lock().stages[place];
        *time = Some(time.unwrap_or_default() + since.elapsed());
    }

    /// Notes its route and the plugins that take it.
    pub(super) fn transform(&self, transform: &Transform<'_>) {
        let digests = transform.steps.iter().map(|(_, loaded)| &*loaded.digest);
        let digests: Vec<&str> = digests.collect();
        let mut noted = self.0.lock();
        noted.route = transform.route.name.clone();
        noted.digest = Some(digests.join(","));
    }

    /// Notes what was read, beside what is recorded.
    pub(super) fn object(&self, object: &Object, record: &Record) {
        let mut noted = self.0.lock();
        noted.version.clone_from(&object.version_id);
        noted.bytes = Some(to_u64(object.body.len()));
        noted.last_modified = object.last_modified;
        noted.is_recorded = record.digest.is_some();
        noted.is_new = record.last_modified != object.last_modified
            || record.etag.as_deref() != Some(object.etag.as_str());
    }

    /// Tells what became of the object: in one line of the log, and in metrics. That it has failed is
    /// counted with the others' reports; its route goes into its report for that.
    pub(super) fn tell(
        &self,
        bucket: &str,
        report: &mut ObjectReport,
        cause: Cause,
        since: Instant,
    ) {
        let noted = self.0.lock().clone();
        let freshness_ms = noted.freshness(report.outcome, cause);
        if let Some(freshness_ms) = freshness_ms {
            invocation::measure(&noted.route, Sample::Freshness, freshness_ms);
        }
        let [ticket, load, read, run, commit] = noted.stages;
        // That of tickets is all objects' together, and measured once.
        for (sample, time) in [
            (Sample::LoadTime, load),
            (Sample::ReadTime, read),
            (Sample::RunTime, run),
            (Sample::CommitTime, commit),
        ] {
            if let Some(time) = time {
                invocation::measure(&noted.route, sample, milliseconds(time));
            }
        }
        noted.log(
            bucket,
            report,
            freshness_ms,
            [ticket, load, read, run, commit],
            since,
        );
        report.route = noted.route;
    }
}

impl Noted {
    /// From its upload to now, in milliseconds, where it was brought up to date for the first time since.
    /// Whatever is made again (after a change of its plugin, a loss) was uploaded long ago; so was what
    /// a sync finds in a bucket that is new to this Redis.
    fn freshness(&self, outcome: Outcome, cause: Cause) -> Option<f64> {
        let counts = outcome == Outcome::Synced
            && self.is_new
            && (self.is_recorded || cause == Cause::Event);
        if !counts || self.last_modified == 0 {
            return None;
        }
        let uploaded = UNIX_EPOCH + Duration::from_millis(self.last_modified);
        // Their clock may be ahead of ours.
        let age = SystemTime::now().duration_since(uploaded);
        Some(milliseconds(age.unwrap_or_default()))
    }

    /// The one line an object gets.
    fn log(
        &self,
        bucket: &str,
        report: &ObjectReport,
        freshness_ms: Option<f64>,
        stages: [Option<Duration>; 5],
        since: Instant,
    ) {
        let [ticket_ms, load_ms, read_ms, run_ms, commit_ms] =
            stages.map(|time| time.map(milliseconds));
        let duration_ms = milliseconds(since.elapsed());
        let (object, outcome, entries) = (&report.key, report.outcome.name(), report.entries);
        let (plugin, fuel, route) = (report.plugin.as_deref(), report.fuel, self.route.as_deref());
        let (version, digest, bytes) =
            (self.version.as_deref(), self.digest.as_deref(), self.bytes);
        match report.failure() {
            None => tracing::info!(
                bucket,
                object,
                version,
                outcome,
                route,
                plugin,
                digest,
                fuel,
                bytes,
                entries,
                freshness_ms,
                duration_ms,
                ticket_ms,
                load_ms,
                read_ms,
                run_ms,
                commit_ms,
                "object done"
            ),
            Some(error) => tracing::error!(
                bucket,
                object,
                version,
                outcome,
                reason = report.reason.name(),
                error,
                route,
                plugin,
                digest,
                fuel,
                bytes,
                duration_ms,
                ticket_ms,
                load_ms,
                read_ms,
                run_ms,
                commit_ms,
                "object failed"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(is_new: bool, is_recorded: bool) -> Noted {
        Noted {
            last_modified: 1_700_000_000_000,
            is_new,
            is_recorded,
            ..Noted::default()
        }
    }

    #[test]
    fn only_what_was_uploaded_since_has_a_freshness() {
        let has = |noted: Noted, outcome, cause| noted.freshness(outcome, cause).is_some();
        for cause in [Cause::Event, Cause::Sync] {
            assert!(has(noted(true, true), Outcome::Synced, cause));
            assert!(
                !has(noted(false, true), Outcome::Synced, cause),
                "made again"
            );
            assert!(!has(noted(true, true), Outcome::Failed, cause));
            assert!(!has(noted(true, true), Outcome::Unchanged, cause));
        }
        assert!(has(noted(true, false), Outcome::Synced, Cause::Event));
        let first_sync = has(noted(true, false), Outcome::Synced, Cause::Sync);
        assert!(!first_sync, "it may have been there for years");
    }

    #[test]
    fn a_clock_that_is_behind_makes_it_as_fresh_as_can_be() {
        let ahead = Noted {
            last_modified: u64::MAX / 1_000_000,
            ..noted(true, true)
        };
        assert_eq!(ahead.freshness(Outcome::Synced, Cause::Event), Some(0.0));
    }
}
