//! What benches leave behind: figures as JSON in `target/bench`, of which `tests/benches/report.py` makes
//! one table and the plots.

use crate::guest::FOLDER;
use redis_sync::plugin::precompile;
use redis_sync::sandbox::{Plugin, Sandbox};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one figure is measured for, once it is warm.
const MEASURED: Duration = Duration::from_millis(400);

/// Runs that are measured at the least.
const LEAST: usize = 7;

/// The figures of one bench.
pub struct Figures {
    /// Of the bench.
    name: &'static str,
    rows: Vec<Value>,
    growth: Map<String, Value>,
}

/// One line of the table. Each time is the middle of the rounds that were taken.
pub struct Row {
    figure: String,
    aim: String,
    unit: &'static str,
    ours: Vec<f64>,
    floor: Option<(String, Vec<f64>)>,
    peers: Vec<(String, Vec<f64>)>,
}

/// One point of a plot.
pub struct Point {
    /// How much.
    at: usize,
    ours: Duration,
    floor: Option<Duration>,
}

/// Where the report looks.
///
/// # Panics
///
/// It cannot be made.
#[must_use]
pub fn folder() -> PathBuf {
    // Beside the folder of the guests' target, target and profile.
    let target = Path::new(FOLDER).ancestors().nth(3);
    let folder = target
        .expect("the guests are three folders deep")
        .join("bench");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

impl Figures {
    /// None yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            rows: Vec::new(),
            growth: Map::new(),
        }
    }

    /// Adds a line to the table.
    pub fn row(&mut self, row: Row) {
        let peers: Vec<Value> = row
            .peers
            .into_iter()
            .map(|(name, values)| json!({"name": name, "value": middle(values)}))
            .collect();
        let floor = row
            .floor
            .map(|(name, values)| json!({"name": name, "value": middle(values)}));
        self.rows.push(json!({
            "figure": row.figure, "aim": row.aim, "unit": row.unit,
            "ours": middle(row.ours), "floor": floor, "peers": peers,
        }));
    }

    /// Adds a point to a plot.
    pub fn point(&mut self, plot: &str, point: &Point) {
        let points = self.growth.entry(plot).or_insert_with(|| json!([]));
        if let Some(points) = points.as_array_mut() {
            points.push(json!({
                "at": point.at, "ours": micros(point.ours), "floor": point.floor.map(micros),
            }));
        }
    }

    /// Leaves them where the report looks, and says where that is.
    ///
    /// # Panics
    ///
    /// They cannot be written.
    #[must_use]
    pub fn write(self) -> String {
        let folder = folder();
        let file = folder.join(format!("{}.json", self.name));
        let all = json!({"rows": self.rows, "growth": self.growth});
        std::fs::write(&file, format!("{all:#}\n")).expect("the figures can be written");
        format!("{}: {} figures", file.display(), self.rows.len())
    }
}

impl Row {
    /// Times, in microseconds.
    #[must_use]
    pub fn new(figure: &str, aim: &str) -> Self {
        Self::in_unit(figure, aim, "µs")
    }

    /// Values in a unit of their own.
    #[must_use]
    pub fn in_unit(figure: &str, aim: &str, unit: &'static str) -> Self {
        Self {
            figure: figure.to_owned(),
            aim: aim.to_owned(),
            unit,
            ours: Vec::new(),
            floor: None,
            peers: Vec::new(),
        }
    }

    /// A round of ours.
    pub fn ours(&mut self, time: Duration) {
        self.ours.push(micros(time));
    }

    /// A round of ours that is no time.
    pub fn value(&mut self, value: f64) {
        self.ours.push(value);
    }

    /// What nothing can be faster than.
    pub fn floor(&mut self, name: &str, time: Duration) {
        let (_, values) = self
            .floor
            .get_or_insert_with(|| (name.to_owned(), Vec::new()));
        values.push(micros(time));
    }

    /// What others do the same in.
    pub fn peer(&mut self, name: &str, time: Duration) {
        match self.peers.iter_mut().find(|(other, _)| other == name) {
            Some((_, values)) => values.push(micros(time)),
            None => self.peers.push((name.to_owned(), vec![micros(time)])),
        }
    }
}

impl Point {
    /// So much takes so long.
    #[must_use]
    pub fn new(at: usize, ours: Duration, floor: Option<Duration>) -> Self {
        Self { at, ours, floor }
    }
}

/// The processor's time in the middle of many: what else runs on the machine counts for little.
pub fn middle_of<T>(work: impl Fn() -> T) -> Duration {
    drop(work());
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.len() < LEAST || begun.elapsed() < MEASURED {
        let started = processor_time();
        let made = work();
        times.push(processor_time() - started);
        drop(made);
    }
    times.sort();
    times[times.len() / 2]
}

/// What this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// A plugin that is ready to run, and the file of its machine code.
///
/// # Panics
///
/// It does not compile.
#[must_use]
pub fn compiled(module: &[u8]) -> (Plugin, PathBuf) {
    let file = precompile(module, &folder()).expect("the module compiles");
    let sandbox = Sandbox::new(1).expect("the engine starts");
    (sandbox.map(&file).expect("its machine code is good"), file)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
