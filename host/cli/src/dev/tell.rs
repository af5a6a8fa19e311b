//! What people and scripts are told while the system runs.

use super::done::Done;
use super::system::{System, Told};
use crate::guest_log::Line;
use crate::screen::{BOLD, DIM, GREEN, RED, Screen, grouped, plain, short, styled};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Objects that are told one by one, and lines of a change that are shown.
const MAX_LINES: usize = 200;

/// Where everything is.
pub(super) fn started(screen: &Screen, system: &System, bucket: &Path) {
    let (bucket, redis) = (bucket.display(), &system.address);
    screen.say(format!("{} {bucket}", styled(BOLD, "bucket")));
    screen.say(format!("{}  {redis}", styled(BOLD, "redis")));
    screen.event(&json!({"bucket": bucket.to_string(), "redis": redis}));
}

/// What came of changed objects; whether nothing failed.
pub(super) fn told(screen: &Screen, told: Told) -> bool {
    let milliseconds = told.time.as_secs_f64() * 1000.0;
    let mut good = told.failed.is_empty();
    for report in &told.failed {
        failed(screen, &report.key, report.failure().unwrap_or_default());
    }
    let is_told = |key: &str| told.failed.iter().any(|report| report.key == key);
    let done = told.done.iter().filter(|(key, _)| !is_told(key));
    for (key, done) in done.take(MAX_LINES) {
        match &done.error {
            // Of what follows from another failure there is no report.
            Some(error) => {
                good = false;
                failed(screen, key, error);
            }
            None => screen.say(object(key, done)),
        }
    }
    if let Some((success, sentence)) = &told.summary {
        good &= success;
        let mark = if *success {
            styled(GREEN, "✓")
        } else {
            styled(RED, "✗")
        };
        screen.say(format!("{mark} {sentence} ({milliseconds:.0} ms)"));
    }
    for Line {
        level,
        plugin,
        message,
    } in &told.log
    {
        let said = format!("  {plugin} {level}: {}", short(message, 1000));
        screen.say(styled(DIM, said));
    }
    let lines = match &told.changes {
        Ok(change) => change.lines(),
        Err(why) => {
            good = false;
            vec![styled(
                RED,
                format!("what Redis holds cannot be read: {why}"),
            )]
        }
    };
    some_of(screen, &lines);
    screen.event(&json!({
        "done": told.done,
        "failed": told.failed,
        "message": told.summary.map(|(_, sentence)| sentence),
        "log": told.log,
        "changes": plain(&lines),
        "time_ms": milliseconds,
    }));
    good
}

/// So many of these lines as a person reads.
fn some_of(screen: &Screen, lines: &[String]) {
    for line in lines.iter().take(MAX_LINES) {
        screen.say(format!("  {line}"));
    }
    if let Some(more @ 1..) = lines.len().checked_sub(MAX_LINES) {
        screen.say(format!("  … and {more} lines more"));
    }
}

/// Files of the folder that are not in the bucket, and why.
pub(super) fn left_out(screen: &Screen, files: &BTreeMap<String, String>) {
    for (file, why) in files {
        failed(screen, file, &format!("left out: {why}"));
        screen.event(&json!({"left_out": file, "error": why}));
    }
}

fn failed(screen: &Screen, key: &str, error: &str) {
    let (key, error) = (short(key, 200), short(error, 4000));
    screen.say(format!("{} {key}: {error}", styled(RED, "✗")));
}

/// An object that has not failed.
fn object(key: &str, done: &Done) -> String {
    let mut text = format!(
        "{} {}: {}",
        styled(GREEN, "✓"),
        short(key, 200),
        done.outcome
    );
    if done.is_synced() {
        if let Some(plugin) = &done.plugin {
            text.push_str(&format!(" by {plugin}"));
        }
        let keys = if done.entries == 1 { "key" } else { "keys" };
        text.push_str(&format!(", {} {keys}", done.entries));
    }
    if let Some(fuel) = done.fuel {
        text.push_str(&format!(", {} fuel", grouped(fuel)));
    }
    format!("{text} ({:.1} ms)", done.time_ms)
}
