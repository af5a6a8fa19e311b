//! From the start of a process to its first object.

use super::stage::{OBJECT, change, upload};
use anyhow::{Result, ensure};
use redis_sync_local::{BUCKET, Environment, Function, event, variables};
use redis_sync_tests::figures::{Figures, Row};
use redis_sync_tests::{compiled, guest, program};
use std::ffi::OsStr;
use std::time::{Duration, Instant};

/// Starts of each kind.
const STARTS: usize = 7;

/// What seals machine code in the bucket.
const KEY: (&str, &str) = (
    "COMPILED_CACHE_KEY",
    "a key that is known to this bench alone",
);

/// Starts with nothing kept, with machine code in the bucket, and with machine code beside the function.
pub(super) async fn starts(figures: &mut Figures) -> Result<()> {
    let environment = Environment::start(program::bootstrap()).await?;
    upload(&environment);
    let module = guest::module("supplier-permissions");
    let folder = compiled::folder_with(&module).display().to_string();
    let mut nothing = Row::new(
        "start to first object, nothing kept",
        "0.25 of the Python handler",
    );
    let mut kept = Row::new("the same, machine code in the bucket", "15 ms, 0.03");
    let mut beside = Row::new("the same, machine code in COMPILED_DIR", "");
    // Leaves the machine code in the bucket, for those that are timed.
    start(&environment, program::bootstrap(), &[KEY]).await?;
    for _ in 0..STARTS {
        nothing.ours(start(&environment, program::bootstrap(), &[]).await?);
        kept.ours(start(&environment, program::bootstrap(), &[KEY]).await?);
        let folder = [("COMPILED_DIR", folder.as_str())];
        beside.ours(start(&environment, program::bootstrap(), &folder).await?);
        if let Some(peer) = std::env::var_os("PEER") {
            let theirs = start(&environment, peer, &[]).await?;
            for row in [&mut nothing, &mut kept, &mut beside] {
                row.peer("the Python handler", theirs);
            }
        }
    }
    for row in [nothing, kept, beside] {
        figures.row(row);
    }
    Ok(())
}

/// Starts a function, and has it handle one changed object.
async fn start(
    environment: &Environment,
    program: impl AsRef<OsStr>,
    more: &[(&str, &str)],
) -> Result<Duration> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    change(
        environment,
        NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
    );
    let mut all = variables(&environment.s3, &environment.redis);
    all.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let started = Instant::now();
    let function = Function::start(program.as_ref(), all).await?;
    let report = function.invoke(event::created(BUCKET, OBJECT)).await?;
    let time = started.elapsed();
    ensure!(report["status"] == "success", "{report}");
    function.kill().await;
    Ok(time)
}
