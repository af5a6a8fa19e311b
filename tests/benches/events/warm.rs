//! An event of one changed object, in a function that has handled some.

use super::stage::{OBJECT, change, environment, number, peer, reads_of_redis, to_f64};
use anyhow::{Context, Result, ensure};
use redis_sync_local::{BUCKET, Environment, Function, Operation, event, variables};
use redis_sync_tests::figures::{Figures, Point, Row};
use redis_sync_tests::guest;
use std::time::{Duration, Instant};

/// Events before anything is timed.
const WARM: usize = 50;

/// How often ours, the floor and the peer take turns.
const ROUNDS: usize = 4;

/// Plugins in the bucket.
const PLUGINS: [usize; 4] = [1, 10, 100, 1_000];

/// What events took.
struct Took {
    /// Each of them, in order of length.
    times: Vec<Duration>,
    /// Time of the processor, of one.
    processor: Duration,
    /// How often a thread of the function was switched away from or woken, for one.
    switches: f64,
}

impl Took {
    fn median(&self) -> Duration {
        let middle = self.times.get(self.times.len() / 2);
        middle.copied().unwrap_or_default()
    }
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
    let processor = function.processor_time()?.saturating_sub(before.0);
    let switches = function.switches()?.saturating_sub(before.1);
    Ok(Took {
        times,
        processor: processor / u32::try_from(events)?,
        switches: to_f64(switches) / to_f64(events),
    })
}

/// Warm events, in turn with those of the peer.
pub(super) async fn events(figures: &mut Figures) -> Result<()> {
    let events = number("EVENTS", 400) / ROUNDS;
    let environment = environment().await?;
    let function = &environment.function;
    let peer = peer(&environment).await?;
    timed(&environment, function, WARM).await?;
    if let Some(peer) = &peer {
        timed(&environment, peer, WARM).await?;
    }
    let mut time = Row::new("warm event, median", "0.2 of the Python handler");
    let mut processor = Row::new("processor time of a warm event", "500 µs");
    let mut switches = Row::in_unit("context switches of a warm event", "4", "");
    let mut trips = Row::in_unit("Redis: round trips of a warm event", "2", "");
    let mut requests = Row::in_unit("S3: requests of a warm event", "1", "");
    for _ in 0..ROUNDS {
        environment.s3.reset_counts();
        let reads = reads_of_redis(&environment).await?;
        let ours = timed(&environment, function, events).await?;
        // Asking is one itself.
        let reads = reads_of_redis(&environment).await? - reads - 1;
        let asked: usize = [Operation::GetObject, Operation::ListObjectsV2]
            .map(|operation| environment.s3.count(operation))
            .iter()
            .sum();
        time.ours(ours.median());
        processor.ours(ours.processor);
        switches.value(ours.switches);
        trips.value(to_f64(reads) / to_f64(events));
        requests.value(to_f64(asked) / to_f64(events));
        time.floor(
            "a bare GET and two PINGs",
            floor(&environment, events).await?,
        );
        if let Some(peer) = &peer {
            let theirs = timed(&environment, peer, events).await?;
            time.peer("the Python handler", theirs.median());
            processor.peer("the Python handler", theirs.processor);
        }
    }
    let mut memory = Row::in_unit("peak memory of that function", "40 MiB", "MiB");
    memory.value(to_f64(function.peak_memory_mib()?));
    for row in [time, processor, switches, trips, requests, memory] {
        figures.row(row);
    }
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

/// A warm event where the bucket has one plugin, and where it has more.
pub(super) async fn plugins(figures: &mut Figures) -> Result<()> {
    let events = number("EVENTS", 400) / ROUNDS;
    let environment = environment().await?;
    let function = &environment.function;
    timed(&environment, function, WARM).await?;
    let (mut there, mut times) = (1, Vec::new());
    for plugins in PLUGINS {
        let others = there..plugins;
        there = plugins;
        for other in others.clone() {
            let key = format!("plugins/other{other}.wasm");
            environment.s3.put(&key, guest::module("plain"));
        }
        if !others.is_empty() {
            let key = format!("plugins/other{}.wasm", plugins - 1);
            environment.upload(&key, guest::module("plain")).await?;
        }
        timed(&environment, function, WARM).await?;
        let time = timed(&environment, function, events).await?.median();
        figures.point("plugins", &Point::new(plugins, time, None));
        times.push(time);
    }
    let mut row = Row::new("warm event with 1,000 plugins in the bucket", "1.0");
    if let [one, .., thousand] = times.as_slice() {
        row.ours(*thousand);
        row.floor("with one", *one);
    }
    figures.row(row);
    Ok(())
}
