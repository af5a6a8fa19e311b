//! What people and scripts are told while the system runs.

use super::system::{System, Told};
use crate::guest_log::Line;
use crate::screen::{BOLD, DIM, GREEN, RED, Screen, short, styled};
use anstream::adapter::strip_str;
use redis_sync::report::{ObjectReport, Outcome};
use serde_json::json;
use std::path::Path;

/// Lines of a change that are shown.
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
    let mut good = told.objects.iter().all(|report| report.failure().is_none());
    for report in &told.objects {
        screen.say(object(report, milliseconds));
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
    for line in lines.iter().take(MAX_LINES) {
        screen.say(format!("  {line}"));
    }
    if let Some(more @ 1..) = lines.len().checked_sub(MAX_LINES) {
        screen.say(format!("  … and {more} lines more"));
    }
    let plain: Vec<String> = lines
        .iter()
        .map(|line| strip_str(line).to_string())
        .collect();
    screen.event(&json!({
        "objects": told.objects,
        "message": told.summary.map(|(_, sentence)| sentence),
        "log": told.log,
        "changes": plain,
        "time_ms": milliseconds,
    }));
    good
}

fn object(report: &ObjectReport, milliseconds: f64) -> String {
    let key = short(&report.key, 200);
    if let Some(error) = report.failure() {
        return format!("{} {key}: {}", styled(RED, "✗"), short(error, 4000));
    }
    let mut text = format!("{} {key}: {}", styled(GREEN, "✓"), report.outcome.name());
    if report.outcome == Outcome::Synced && report.plugin.is_some() {
        let plugin = report.plugin.as_deref().unwrap_or_default();
        text.push_str(&format!(" by {plugin}"));
    }
    if let Some(fuel) = report.fuel {
        text.push_str(&format!(", {fuel} fuel"));
    }
    format!("{text} ({milliseconds:.0} ms)")
}
