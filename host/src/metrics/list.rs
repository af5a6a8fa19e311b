//! The list of metrics: the one place that has their names. Reference, alarms and dashboard are
//! compared with it by tests.

use serde::Serialize;

/// The dimension that every metric has.
pub const FUNCTION: &str = "FunctionName";

/// The dimension of those that are told by route as well.
pub const ROUTE: &str = "Route";

/// A unit, in CloudWatch's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Time.
    Milliseconds,
    /// A part of a whole.
    Percent,
}

impl Unit {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
        }
    }
}

/// When a metric is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// With every invocation, also where it is zero.
    Always,
    /// Only where there is something to tell.
    IfAny,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// When it is written.
    pub written: Written,
    /// What it means.
    pub meaning: &'static str,
}

/// What people set objectives for, by route.
const BY_ROUTE: [&str; 3] = ["Freshness", "FuelHeadroom", "ObjectsFailed"];

impl Metric {
    /// Whether it is told by [`ROUTE`] too.
    pub fn is_by_route(&self) -> bool {
        BY_ROUTE.contains(&self.name)
    }
}

/// Gives each metric of a kind a name in code, and its place in the list of that kind.
macro_rules! kind {
    (
        $(#[$document:meta])*
        $kind:ident, $list:ident:
        $($name:ident = $metric:expr),+ $(,)?
    ) => {
        $(#[$document])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name),+
        }

        impl $kind {
            /// All of this kind, in the order of their variants.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What is said of it.
            pub const fn metric(self) -> Metric {
                match self {
                    $(Self::$name => {
                        let (unit, written, meaning) = $metric;
                        let name = stringify!($name);
                        Metric { name, unit, written, meaning }
                    })+
                }
            }
        }

        const $list: &[Metric] = &[$($kind::$name.metric()),+];
    };
}

use Unit::{Milliseconds, Percent};
use Written::{Always, IfAny};

kind! {
    /// What is counted.
    Count, COUNTS:
    ObjectsSynced = (Unit::Count, Always, "Objects whose entries were written."),
    ObjectsUnchanged = (Unit::Count, Always, "Objects that Redis had already."),
    ObjectsDeleted = (Unit::Count, Always, "Objects that are not in the bucket any more."),
    ObjectsSuperseded = (Unit::Count, Always, "Objects of which a newer state was committed meanwhile."),
    ObjectsSkipped = (Unit::Count, Always, "Objects that no route takes, with `UNMATCHED=skip`."),
    ObjectsFailed = (Unit::Count, Always, "Objects that failed; their last good entries stay."),
    CompiledRefused = (Unit::Count, Always, "Compiled modules that were there and were not used."),
    CompiledHits = (Unit::Count, Always, "Modules whose machine code was there already."),
    CommitRetries = (Unit::Count, Always, "Evaluations that were made again, since something changed before their commit."),
    BudgetRefusals = (Unit::Count, Always, "Work that was refused for want of memory: it can never fit, or there was none in time."),
    Drifted = (Unit::Count, IfAny, "Objects whose Redis keys were not as they are recorded, found by a full sync."),
    SyncCompleted = (Unit::Count, IfAny, "1 where a full sync of the whole bucket reached the end and nothing failed in it, 0 where not; not there where none ended. What it left to the queue fails there."),
    FailedRoute = (Unit::Count, IfAny, "Objects that failed: `routes.toml`, or what their route asks for, is not valid."),
    FailedModule = (Unit::Count, IfAny, "Objects that failed: their plugin cannot be loaded."),
    FailedPlugin = (Unit::Count, IfAny, "Objects that failed: their plugin returned an error or trapped."),
    FailedLimit = (Unit::Count, IfAny, "Objects that failed: their plugin reached a limit of fuel, time, memory or output."),
    FailedEntries = (Unit::Count, IfAny, "Objects that failed: what their plugin returned cannot be stored."),
    FailedConflict = (Unit::Count, IfAny, "Objects that failed: a Redis key of theirs belongs to another object."),
    FailedSize = (Unit::Count, IfAny, "Objects that failed: they are larger than `MAX_OBJECT_BYTES`."),
    FailedAccess = (Unit::Count, IfAny, "Objects that failed: S3 refuses to hand them out."),
    FailedS3 = (Unit::Count, IfAny, "Objects that failed: S3 or SQS did not answer."),
    FailedRedis = (Unit::Count, IfAny, "Objects that failed: Redis did not answer."),
    FailedRedisRefused = (Unit::Count, IfAny, "Objects that failed: Redis refuses."),
    FailedMemory = (Unit::Count, IfAny, "Objects that failed: there was no memory for them."),
    FailedContended = (Unit::Count, IfAny, "Objects that failed: they changed faster than they could be committed."),
    FailedTime = (Unit::Count, IfAny, "Objects that failed: the invocation's time was over before they were done."),
    FailedBucket = (Unit::Count, IfAny, "Objects that failed: the event is of another bucket."),
    FailedHost = (Unit::Count, IfAny, "Objects that failed: Redis Sync itself did, which is a defect."),
}

kind! {
    /// What is measured: a value an object, or a module.
    Sample, SAMPLES:
    Freshness = (Milliseconds, IfAny, "From an upload to its commit: the object's last-modified time, whole seconds, to the moment Redis has it. Of objects that were uploaded, not of those that are made again."),
    FuelHeadroom = (Percent, IfAny, "Fuel that a run left of its limit."),
    TicketTime = (Milliseconds, IfAny, "Stage: taking tickets and reading the plugin list, for all objects of an event together."),
    LoadTime = (Milliseconds, IfAny, "Stage: waiting for the object's plugins to be loaded."),
    ReadTime = (Milliseconds, IfAny, "Stage: waiting for room in memory, and reading the object."),
    RunTime = (Milliseconds, IfAny, "Stage: running its plugins, where they ran."),
    CommitTime = (Milliseconds, IfAny, "Stage: its commits."),
    CompileTime = (Milliseconds, IfAny, "Compiling one module."),
}

kind! {
    /// What an invocation has one value of.
    Gauge, GAUGES:
    Duration = (Milliseconds, Always, "How long the invocation took."),
    InvocationsFailed = (Unit::Count, Always, "1 where the invocation ended in an error."),
    MemoryBudgetUsed = (Percent, Always, "The most that was held of the memory budget since the last invocation ended."),
    ColdStart = (Unit::Count, IfAny, "1 with the first invocation of a process, in a line of its own; never 0."),
}

impl Count {
    /// Its place in [`Count::ALL`].
    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

impl Sample {
    /// Its place in [`Sample::ALL`].
    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

/// Every metric, in the order of `docs/reference.md`.
pub fn all() -> impl Iterator<Item = Metric> {
    let lists = [GAUGES, COUNTS, SAMPLES];
    lists.into_iter().flatten().copied()
}
