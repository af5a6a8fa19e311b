//! Many objects: in one event, in a full sync, and shared by several functions.

use super::stage::{number, one, reads_of_redis, scripted, to_f64};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use redis_sync_local::{BUCKET, Environment, Function, event};
use redis_sync_tests::figures::{Figures, Point, Row};
use serde_json::json;
use std::time::{Duration, Instant};

/// The longest that a full sync may take.
const LIMIT: Duration = Duration::from_secs(900);

/// Objects of the full sync that is in the table.
const SYNCED: usize = 10_000;

/// Objects that several functions share, and those of one event.
const SHARED: usize = 2_000;
const OF_AN_EVENT: usize = 25;

/// Functions that share them.
const FUNCTIONS: [usize; 4] = [1, 2, 4, 8];

/// A notification of a hundred objects.
pub(super) async fn batch(figures: &mut Figures) -> Result<()> {
    let environment = scripted().await?;
    let mut row = Row::in_unit("Redis: reads of its sockets, a batch of 100", "6", "");
    for round in 0..5 {
        for object in 0..100 {
            let key = format!("flags/{object}");
            environment.s3.put(&key, one(object, round));
        }
        let before = reads_of_redis(&environment).await?;
        let events = (0..100).map(|object| event::created(BUCKET, &format!("flags/{object}")));
        environment.function.invoke(event::batch(events)).await?;
        row.value(to_f64(reads_of_redis(&environment).await? - before - 1));
    }
    figures.row(row);
    Ok(())
}

/// Full syncs, each with another one in which nothing has changed.
pub(super) async fn full_syncs(figures: &mut Figures) -> Result<()> {
    let most = number("SYNC_OBJECTS", 100_000);
    let sizes = [100, 1_000, SYNCED, 100_000, 1_000_000];
    for objects in sizes.into_iter().filter(|objects| *objects <= most) {
        let environment = scripted().await?;
        for object in 0..objects {
            let key = format!("flags/{object:07}");
            environment.s3.put(&key, one(object, 0));
        }
        environment.function.ready().await?;
        let (time, processor) = sync(&environment, "synced", objects).await?;
        let (unchanged, of_unchanged) = sync(&environment, "unchanged", objects).await?;
        // Both in one plot: what is not changed is what no sync can be faster than.
        figures.point("objects", &Point::new(objects, time, Some(unchanged)));
        if objects == SYNCED {
            for (what, aim, time) in [
                ("written", "5000/s", time),
                ("unchanged", "60000/s", unchanged),
            ] {
                let figure = format!("full sync of 10,000 objects, {what}");
                let mut row = Row::in_unit(&figure, aim, "/s");
                row.value(to_f64(objects) / time.as_secs_f64());
                figures.row(row);
            }
            for (what, aim, time) in [
                ("written", "250 µs", processor),
                ("unchanged", "", of_unchanged),
            ] {
                let mut row = Row::new(&format!("processor time of each, {what}"), aim);
                row.ours(time / u32::try_from(objects)?);
                figures.row(row);
            }
        }
    }
    Ok(())
}

/// How long it takes, and how much time of a processor.
async fn sync(
    environment: &Environment,
    outcome: &str,
    objects: usize,
) -> Result<(Duration, Duration)> {
    let function = &environment.function;
    let before = function.processor_time()?;
    let started = Instant::now();
    let report = function.invoke_within(json!({"sync": {}}), LIMIT).await?;
    let time = started.elapsed();
    ensure!(report["counts"][outcome] == objects, "{report}");
    Ok((time, function.processor_time()?.saturating_sub(before)))
}

/// The same changed objects, in events that several functions share.
pub(super) async fn functions(figures: &mut Figures) -> Result<()> {
    let environment = scripted().await?;
    let mut functions = Vec::new();
    for (round, count) in FUNCTIONS.into_iter().enumerate() {
        while functions.len() < count {
            let function = environment.another_function().await?;
            function.ready().await?;
            functions.push(function);
        }
        // Once for the plugin and the connections.
        for round in [2 * round, 2 * round + 1] {
            for object in 0..SHARED {
                let key = format!("flags/{object}");
                environment.s3.put(&key, one(object, round));
            }
            let started = Instant::now();
            let shares = functions.iter().enumerate();
            try_join_all(shares.map(|(place, function)| share(function, place, count))).await?;
            if round % 2 == 1 {
                let time = started.elapsed();
                figures.point("functions", &Point::new(count, time, None));
            }
        }
    }
    Ok(())
}

/// Every event whose turn it is.
async fn share(function: &Function, place: usize, functions: usize) -> Result<()> {
    let objects: Vec<usize> = (0..SHARED).collect();
    let events = objects.chunks(OF_AN_EVENT).skip(place).step_by(functions);
    for event in events {
        let event = event.iter();
        let event = event.map(|object| event::created(BUCKET, &format!("flags/{object}")));
        let report = function.invoke(event::batch(event)).await?;
        ensure!(report["status"] == "success", "{report}");
    }
    Ok(())
}
