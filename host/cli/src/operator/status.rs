//! `redis-sync status`.

use super::{Reach, ReachArgs, ago};
use crate::Ended;
use crate::screen::{GREEN, RED, Screen, YELLOW, short, styled, table};
use anyhow::Result;
use redis_sync::text::counted;
use serde_json::{Value, json};

/// What `status` is told.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  redis-sync status\n  redis-sync status --function redis-sync --json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    reach: ReachArgs,
}

/// Says how many objects are in Redis, and which have failed; ends badly where any has.
pub(crate) async fn status(args: &Args, screen: &Screen) -> Result<Ended> {
    let reach = Reach::open(&args.reach).await?;
    let answer = reach.ask(&json!({"status": {}})).await?;
    screen.document(&answer);
    let number = |member: &str| answer[member].as_u64().unwrap_or(0);
    let (objects, failed) = (number("objects"), number("failed"));
    let mark = if failed == 0 {
        styled(GREEN, "✓")
    } else {
        styled(RED, "✗")
    };
    screen.say(format!(
        "{mark} {} in Redis, {failed} failed",
        counted(objects, "object")
    ));
    for change in members(&answer, "changes") {
        let text = |member: &str| change[member].as_str().unwrap_or("none");
        let count = |member: &str| change[member].as_u64().unwrap_or(0);
        let (plugin, digest) = (text("plugin"), short(text("digest"), 12));
        let (done, left) = (count("done"), count("left"));
        let told = format!("! {plugin} has changed ({digest}): {done} done, about {left} left");
        screen.say(styled(YELLOW, &told));
    }
    for sync in members(&answer, "syncs") {
        let after = sync["after"].as_str().unwrap_or_default();
        let told = format!("! a sync was out of time: the next goes on after {after}");
        screen.say(styled(YELLOW, &told));
    }
    let failures = members(&answer, "failures");
    if !failures.is_empty() {
        let mut table = table(&["object", "failed", "why"]);
        for failure in failures {
            let text = |member: &str| failure[member].as_str().unwrap_or_default();
            let at = failure["at"].as_u64().map(ago).unwrap_or_default();
            table.add_row([short(text("key"), 60), at, short(text("error"), 200)]);
        }
        screen.say(table);
    }
    Ok(Ended::well_if(failed == 0))
}

/// A list of the answer, where it has one of that name.
fn members<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}
