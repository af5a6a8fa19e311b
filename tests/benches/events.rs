//! The way of an event and of a full sync, with real parts: each figure beside what it is measured
//! against, in the same run.
//!
//! ```text
//! make bench
//! ```
//!
//! Ratios count: the machine is shared by the function, S3 and Redis. `PEER` is the launcher of the
//! handler in Python that does the same reads and writes (`tests/peers/handler`); without it, its column
//! stays empty. `SYNC_OBJECTS` sets how many objects a full sync has, `EVENTS` how many events are timed.

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use redis_sync_local::{BUCKET, Environment, Function, Operation, event, variables};
use redis_sync_tests::{compiled, guest, nhs, program};
use serde_json::json;
use std::time::{Duration, Instant};

/// The object of a warm event, in the words of its real users.
const OBJECT: &str = "permissions_config.json";

/// Events before anything is timed.
const WARM: usize = 50;

/// The longest that a full sync may take.
const LIMIT: Duration = Duration::from_secs(900);

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` hands its own arguments on.
    let mut rows = Table::new();
    rows.set_header(["figure", "ratio", "measured", "floor", "peer (Python)"]);
    events(&mut rows).await?;
    batch(&mut rows).await?;
    plugins(&mut rows).await?;
    full_sync(&mut rows).await?;
    print(&rows);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures of a measurement")]
fn print(rows: &Table) {
    println!("{rows}");
}

fn number(variable: &str, otherwise: usize) -> usize {
    let set = std::env::var(variable).ok();
    set.and_then(|number| number.parse().ok())
        .unwrap_or(otherwise)
}

/// A function whose plugins are compiled, with the plugin of the object.
async fn environment() -> Result<Environment> {
    let module = guest::module("supplier-permissions");
    let folder = compiled::folder_with(&module).display().to_string();
    let more = [("COMPILED_DIR", folder)];
    let environment = Environment::start_with(program::bootstrap(), more).await?;
    environment
        .s3
        .put(&format!("plugins/{OBJECT}.wasm"), module);
    Ok(environment)
}

/// What events took.
struct Took {
    /// Each of them, in order of length.
    times: Vec<Duration>,
    /// Time of the processor, all together.
    processor: Duration,
    /// How often a thread of the function was switched away from or woken.
    switches: u64,
}

impl Took {
    fn median(&self) -> Duration {
        self.times
            .get(self.times.len() / 2)
            .copied()
            .unwrap_or_default()
    }

    fn each(&self, total: Duration) -> Duration {
        total / u32::try_from(self.times.len()).unwrap_or(u32::MAX).max(1)
    }
}

/// The object, other than the last one by a digit.
fn change(environment: &Environment, number: usize) {
    let [file, ..] = &nhs::CONFIG_FILES;
    let body = file.body.replace("YGM41", &format!("YGM{number}"));
    environment.s3.put(OBJECT, body);
}

async fn timed(environment: &Environment, function: &Function, events: usize) -> Result<Took> {
    let before = (function.processor_time()?, function.switches()?);
    let mut times = Vec::with_capacity(events);
    for number in 0..events {
        change(environment, number);
        let started = Instant::now();
        let report = function.invoke(event::created(BUCKET, OBJECT)).await?;
        times.push(started.elapsed());
        ensure!(report["status"] == "success", "{report}");
    }
    times.sort_unstable();
    Ok(Took {
        times,
        processor: function.processor_time()?.saturating_sub(before.0),
        switches: function.switches()?.saturating_sub(before.1),
    })
}

/// Warm events, in turn with those of the peer.
async fn events(rows: &mut Table) -> Result<()> {
    let events = number("EVENTS", 400);
    let environment = environment().await?;
    let peer = match std::env::var_os("PEER") {
        Some(peer) => {
            Some(Function::start(peer, variables(&environment.s3, &environment.redis)).await?)
        }
        None => None,
    };
    timed(&environment, &environment.function, WARM).await?;
    environment.s3.reset_counts();
    let reads = reads_of_redis(&environment).await?;
    let ours = timed(&environment, &environment.function, events).await?;
    let reads = reads_of_redis(&environment).await? - reads;
    let requests = [Operation::GetObject, Operation::ListObjectsV2]
        .map(|operation| environment.s3.count(operation));
    let theirs = match &peer {
        Some(peer) => {
            timed(&environment, peer, WARM).await?;
            Some(timed(&environment, peer, events).await?)
        }
        None => None,
    };
    let floor = floor(&environment, events).await?;
    row(
        rows,
        "warm event, p50",
        ours.median(),
        Some(floor),
        theirs.as_ref().map(Took::median),
    );
    let processor = theirs.as_ref().map(|took| took.each(took.processor));
    row(
        rows,
        "processor time of one",
        ours.each(ours.processor),
        None,
        processor,
    );
    let each = |count: u64| format!("{:.1}", to_f64(count) / to_f64(events));
    let switches = theirs
        .as_ref()
        .map(|took| each(took.switches))
        .unwrap_or_default();
    rows.add_row([
        "context switches of one",
        "",
        &each(ours.switches),
        "",
        &switches,
    ]);
    rows.add_row(["Redis: round trips of one", "", &each(reads), "2", ""]);
    let [get, list] = requests.map(|count| format!("{:.2}", to_f64(count) / to_f64(events)));
    rows.add_row([
        "S3: requests of one, GET + LIST",
        "",
        &format!("{get} + {list}"),
        "1 + 0",
        "",
    ]);
    Ok(())
}

/// One read of S3 and two round trips to Redis, from this process, without anything around them.
async fn floor(environment: &Environment, events: usize) -> Result<Duration> {
    let host = redis_sync_tests::host::host(
        &environment.s3,
        &variables(&environment.s3, &environment.redis),
    )?;
    let account = redis_sync::budget::Account::unbounded();
    let mut redis = redis_sync_tests::connection::connect(&environment.redis).await;
    let mut times = Vec::new();
    for _ in 0..events {
        let started = Instant::now();
        for _ in 0..2 {
            redis::cmd("PING").query_async::<()>(&mut redis).await?;
        }
        host.store().object(OBJECT, 1 << 20, &account).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times.get(events / 2).copied().context("no events")
}

/// A notification of a hundred objects.
async fn batch(rows: &mut Table) -> Result<()> {
    let environment = scripted().await?;
    let mut reads = 0;
    for round in 0..5 {
        for object in 0..100 {
            environment
                .s3
                .put(&format!("flags/{object}"), one(object, round));
        }
        let before = reads_of_redis(&environment).await?;
        let events = (0..100).map(|object| event::created(BUCKET, &format!("flags/{object}")));
        environment.function.invoke(event::batch(events)).await?;
        reads = reads_of_redis(&environment).await? - before;
    }
    rows.add_row([
        "Redis: round trips of a batch of 100",
        "",
        &reads.to_string(),
        "2",
        "",
    ]);
    Ok(())
}

/// A warm event where the bucket has one plugin, and where it has 1,000.
async fn plugins(rows: &mut Table) -> Result<()> {
    let events = number("EVENTS", 400);
    let environment = environment().await?;
    timed(&environment, &environment.function, WARM).await?;
    let one = timed(&environment, &environment.function, events)
        .await?
        .median();
    for plugin in 0..999 {
        environment.s3.put(
            &format!("plugins/other{plugin}.wasm"),
            guest::module("plain"),
        );
    }
    environment
        .upload("plugins/other0.wasm", guest::module("plain"))
        .await?;
    timed(&environment, &environment.function, WARM).await?;
    let thousand = timed(&environment, &environment.function, events)
        .await?
        .median();
    row(
        rows,
        "warm event with 1,000 plugins (floor: with 1)",
        thousand,
        Some(one),
        None,
    );
    Ok(())
}

/// A full sync, then another one in which nothing has changed.
async fn full_sync(rows: &mut Table) -> Result<()> {
    let objects = number("SYNC_OBJECTS", 10_000);
    let environment = scripted().await?;
    for object in 0..objects {
        environment
            .s3
            .put(&format!("flags/{object:07}"), one(object, 0));
    }
    environment.function.ready().await?;
    for (what, outcome) in [
        ("full sync", "synced"),
        ("the same, unchanged", "unchanged"),
    ] {
        let before = environment.function.processor_time()?;
        let started = Instant::now();
        let report = environment
            .function
            .invoke_within(json!({"sync": {}}), LIMIT)
            .await?;
        let seconds = started.elapsed().as_secs_f64();
        ensure!(report["counts"][outcome] == objects, "{report}");
        let processor = environment
            .function
            .processor_time()?
            .saturating_sub(before);
        let each = processor.as_secs_f64() * 1000.0 / to_f64(objects);
        let figure = format!("{what} of {objects} objects");
        let measured = format!(
            "{:.0}/s, {each:.3} ms of processor each",
            to_f64(objects) / seconds
        );
        rows.add_row([figure.as_str(), "", &measured, "", ""]);
    }
    Ok(())
}

async fn scripted() -> Result<Environment> {
    let environment = Environment::start_with(program::bootstrap(), [compiled::variable()]).await?;
    guest::upload(&environment.s3);
    Ok(environment)
}

/// An object that yields one entry.
fn one(object: usize, round: usize) -> String {
    json!({"do": "yield", "entries": {format!("key:{object}"): {"bytes": round.to_string()}}})
        .to_string()
}

/// How often Redis has read from its sockets.
async fn reads_of_redis(environment: &Environment) -> Result<u64> {
    let info = environment.redis.command(&["INFO", "stats"]).await?;
    let reads = info
        .lines()
        .find_map(|line| line.trim().strip_prefix("total_reads_processed:"));
    Ok(reads.context("Redis counts its reads")?.parse()?)
}

fn row(
    rows: &mut Table,
    figure: &str,
    measured: Duration,
    floor: Option<Duration>,
    peer: Option<Duration>,
) {
    let to_ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    let against = peer.or(floor);
    let ratio = against.map(|other| format!("{:.2}", measured.as_secs_f64() / other.as_secs_f64()));
    rows.add_row([
        figure.to_owned(),
        ratio.unwrap_or_default(),
        to_ms(measured),
        floor.map(to_ms).unwrap_or_default(),
        peer.map(to_ms).unwrap_or_default(),
    ]);
}

fn to_f64(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::NAN, f64::from)
}
