//! From the start of a process to its first object.

use super::stage::{OBJECT, change, upload};
use anyhow::{Result, ensure};
use redis_sync_local::{BUCKET, Environment, Function, event, variables};
use redis_sync_tests::confined::Confined;
use redis_sync_tests::figures::{Figures, Row};
use redis_sync_tests::{compiled, guest, program};
use serde_json::json;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Starts of each kind.
const STARTS: usize = 7;

/// What seals machine code in the bucket.
const KEY: (&str, &str) = (
    "COMPILED_CACHE_KEY",
    "a key that is known to this bench alone",
);

/// Shares of a processor, in thousandths, that Lambda gives a function of 512 MiB and of 1 GiB: a whole one comes
/// with 1,769 MiB.
const SHARES: [(u64, &str); 2] = [(290, "0.29"), (580, "0.58")];

/// The longest that an invocation may take in which a plugin is compiled on a share of a processor.
const LIMIT: Duration = Duration::from_secs(300);

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

/// The same on shares of a processor; of the plugin in JavaScript as well, where `JAVASCRIPT` is its module.
pub(super) async fn throttled_starts(figures: &mut Figures) -> Result<()> {
    let javascript = std::env::var_os("JAVASCRIPT").map(std::fs::read);
    let javascript = javascript.transpose()?;
    for (thousandths, share) in SHARES {
        let confined = Confined::throttled(&program::bootstrap(), thousandths);
        let environment = Environment::start(program::bootstrap()).await?;
        upload(&environment);
        start(&environment, program::bootstrap(), &[KEY]).await?;
        let mut nothing = Row::new(
            &format!("start to first object on {share} of a processor, nothing kept"),
            "",
        );
        let mut kept = Row::new("the same, machine code in the bucket", "");
        for _ in 0..STARTS {
            nothing.ours(start(&environment, confined.program(), &[]).await?);
            kept.ours(start(&environment, confined.program(), &[KEY]).await?);
        }
        figures.row(nothing);
        figures.row(kept);
        let Some(module) = &javascript else {
            continue;
        };
        let environment = Environment::start(program::bootstrap()).await?;
        environment.s3.put("plugins/flags.wasm", module.clone());
        let mut nothing = Row::new("the same in JavaScript, nothing kept", "60 s");
        nothing.ours(start_with_a_flag(&environment, &confined, &[]).await?);
        // Leaves the machine code in the bucket.
        start_with_a_flag(&environment, &confined, &[KEY]).await?;
        let mut kept = Row::new("the same in JavaScript, machine code in the bucket", "");
        for _ in 0..STARTS {
            kept.ours(start_with_a_flag(&environment, &confined, &[KEY]).await?);
        }
        figures.row(nothing);
        figures.row(kept);
    }
    Ok(())
}

/// Starts a function, and has it handle one changed object.
async fn start(
    environment: &Environment,
    program: impl AsRef<OsStr>,
    more: &[(&str, &str)],
) -> Result<Duration> {
    change(environment, another());
    first_object(environment, program, more, OBJECT).await
}

/// The same of an object of the plugin in JavaScript.
async fn start_with_a_flag(
    environment: &Environment,
    confined: &Confined,
    more: &[(&str, &str)],
) -> Result<Duration> {
    let flag = format!("flag-{}", another());
    let body = json!({flag: {"on": true}}).to_string();
    environment.s3.put("flags/x.json", body);
    first_object(environment, confined.program(), more, "flags/x.json").await
}

/// A number that no object has had.
fn another() -> usize {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// From the start of a function to its answer on its first event.
async fn first_object(
    environment: &Environment,
    program: impl AsRef<OsStr>,
    more: &[(&str, &str)],
    key: &str,
) -> Result<Duration> {
    let mut all = variables(&environment.s3, &environment.redis);
    all.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let started = Instant::now();
    let function = Function::start(program.as_ref(), all).await?;
    let event = event::created(BUCKET, key);
    let report = function.invoke_within(event, LIMIT).await?;
    let time = started.elapsed();
    ensure!(report["status"] == "success", "{report}");
    function.kill().await;
    Ok(time)
}
