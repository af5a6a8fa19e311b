//! Metrics, in CloudWatch's embedded metric format: JSON lines on stdout, of which CloudWatch makes
//! metrics. [`list`] has their names.
//!
//! An invocation has a [`Tally`] of its own, so that its line tells what belongs to it, also where
//! several run in one process. What comes after its line (a module that took longer to compile than
//! there was time) is told by the next one's: the sum is right.
//!
//! Dimensions are the function, and the route where the manifest names it. Neither keys nor plugins
//! (by convention a plugin's name is an object's key) nor request identifiers: each value of one would
//! be a metric of its own, and be paid for.

mod line;
pub mod list;
mod tally;

pub use list::{Count, Gauge, Sample};
pub use tally::{RouteName, Tally};

use line::{Directive, Line, Member};
use list::{FUNCTION, Metric, ROUTE, Written};
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tally::{OfRoute, VALUES};

/// Sets of dimensions.
type Dimensions = &'static [&'static [&'static str]];

const OF_FUNCTION: Dimensions = &[&[FUNCTION]];
const OF_ROUTE: Dimensions = &[&[FUNCTION, ROUTE]];
const OF_BOTH: Dimensions = &[&[FUNCTION], &[FUNCTION, ROUTE]];

/// Makes lines.
#[derive(Debug)]
pub struct Metrics {
    namespace: String,
    function: String,
    /// What stands as a line's level. Lambda drops lines below the level it is told, and takes those
    /// without one for INFO: so the level it is told, where that is higher.
    level: &'static str,
    /// What was counted after the lines of its invocations.
    left: Tally,
}

/// What an invocation came to.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How long it took.
    pub duration: Duration,
    /// Whether it ended in an error.
    pub has_failed: bool,
    /// The most that was held of the memory budget, in percent of it.
    pub memory_percent: f64,
}

impl Metrics {
    /// Writes lines for that namespace and function. `log_level` is what Lambda is told.
    pub fn new(namespace: &str, function: &str, log_level: &str) -> Self {
        let above_info = ["WARN", "ERROR", "FATAL"];
        let level = above_info
            .into_iter()
            .find(|level| level.eq_ignore_ascii_case(log_level));
        Self {
            namespace: namespace.to_owned(),
            function: function.to_owned(),
            level: level.unwrap_or("INFO"),
            left: Tally::default(),
        }
    }

    /// Says that a process has its first invocation.
    pub fn cold_start(&self, request_id: &str) -> String {
        let metric = Gauge::ColdStart.metric();
        let values = vec![(metric.name, Member::Whole(1))];
        self.line(request_id, &[(OF_FUNCTION, &[metric])], values)
    }

    /// Says what an invocation has counted and measured, and how it ended; then it has nothing left.
    pub fn invocation(&self, request_id: &str, tally: &Tally, ended: Ended) -> Vec<String> {
        tally.absorb(&self.left);
        let (mut metrics, mut values) = (Vec::new(), Vec::new());
        let mut tell = |metric: Metric, value| {
            metrics.push(metric);
            values.push((metric.name, value));
        };
        let duration = milliseconds(ended.duration);
        let failed = u64::from(ended.has_failed);
        let memory = Gauge::MemoryBudgetUsed.metric();
        tell(Gauge::Duration.metric(), Member::Number(duration));
        tell(Gauge::InvocationsFailed.metric(), Member::Whole(failed));
        tell(memory, Member::Number(ended.memory_percent));
        let syncs = tally.take_syncs();
        for count in Count::ALL {
            let (metric, number) = (count.metric(), tally.take(*count));
            let is_told = match count {
                Count::SyncCompleted => syncs > 0,
                _ => metric.written == Written::Always || number > 0,
            };
            if is_told {
                tell(metric, Member::Whole(number));
            }
        }
        let mut lines = vec![self.line(request_id, &[(OF_FUNCTION, &metrics)], values)];
        for (route, of_route) in tally.take_routes() {
            lines.extend(self.route(request_id, &route, &of_route));
        }
        lines
    }

    /// Adds a value to a tally. Where it has as many as a line takes, these are the lines.
    pub fn measure(
        &self,
        request_id: &str,
        tally: &Tally,
        route: &RouteName,
        (sample, value): (Sample, f64),
    ) -> Vec<String> {
        let full = tally.measure(route, sample, value);
        let full = full.map(|of_route| self.route(request_id, route, &of_route));
        full.unwrap_or_default()
    }

    /// Keeps what was counted after its invocation's line, for the next one.
    pub fn leave(&self, tally: &Tally) {
        self.left.absorb(tally);
    }

    /// Says what was measured of one route's objects.
    fn route(&self, request_id: &str, route: &RouteName, of_route: &OfRoute) -> Vec<String> {
        let firsts = (0..of_route.longest().max(1)).step_by(VALUES);
        let route = route.as_deref();
        firsts
            .map(|first| self.values(request_id, route, of_route, first))
            .collect()
    }

    /// The same of the values from `first` on, as many as a line has.
    fn values(&self, request_id: &str, route: Option<&str>, of: &OfRoute, first: usize) -> String {
        let (mut metrics, mut by_route, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (sample, all) in Sample::ALL.iter().zip(&of.samples) {
            let rest = all.get(first..).unwrap_or_default();
            let some = rest.get(..VALUES).unwrap_or(rest);
            if some.is_empty() {
                continue;
            }
            let metric = sample.metric();
            values.push((metric.name, Member::Values(some)));
            match route.is_some() && metric.is_by_route() {
                true => by_route.push(metric),
                false => metrics.push(metric),
            }
        }
        // The function's own count of them is in the invocation's line.
        let mut of_route_alone = Vec::new();
        if first == 0 && of.failed > 0 {
            let failed = Count::ObjectsFailed.metric();
            of_route_alone.push(failed);
            values.push((failed.name, Member::Whole(of.failed)));
        }
        if let Some(route) = route {
            values.push((ROUTE, Member::Text(route)));
        }
        let directives: [(Dimensions, &[Metric]); 3] = [
            (OF_FUNCTION, &metrics),
            (OF_BOTH, &by_route),
            (OF_ROUTE, &of_route_alone),
        ];
        self.line(request_id, &directives, values)
    }

    fn line<'a>(
        &'a self,
        request_id: &'a str,
        directives: &[(Dimensions, &[Metric])],
        mut members: Vec<(&'a str, Member<'a>)>,
    ) -> String {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_epoch = since_epoch.unwrap_or_default().as_millis();
        members.extend([
            ("level", Member::Text(self.level)),
            (FUNCTION, Member::Text(&self.function)),
            ("function_request_id", Member::Text(request_id)),
        ]);
        let directives = directives.iter().filter(|(_, metrics)| !metrics.is_empty());
        let directive = |(dimensions, metrics): &(Dimensions, &[Metric])| Directive {
            namespace: &self.namespace,
            dimensions,
            metrics: metrics.iter().copied().map(Into::into).collect(),
        };
        let line = Line {
            timestamp: u64::try_from(since_epoch).unwrap_or(u64::MAX),
            directives: directives.map(directive).collect(),
            members,
        };
        // There is nothing in it that JSON has not.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// Puts lines on stdout.
pub fn print(lines: &[String]) {
    let mut stdout = std::io::stdout().lock();
    for line in lines {
        // Whoever closed stdout wants no metrics.
        let _ = writeln!(stdout, "{line}");
    }
}

/// A duration as metrics and logs have it.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests;
