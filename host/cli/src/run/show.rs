//! What a run came to, for people and for scripts.

use crate::case::Case;
use crate::diff::{blob, elements};
use crate::runner::Ran;
use crate::screen::{DIM, GREEN, RED, Screen, YELLOW, bytes, grouped, short, styled, table};
use redis_sync::entry::{Entry, Value, document as entries_document};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Elements of an entry that are shown.
const MAX_ROWS: usize = 20;

/// Characters of an element that are shown.
const WIDTH: usize = 60;

/// Characters of the bar.
const BAR: u64 = 24;

/// For scripts.
pub(super) fn document(case: &Case, ran: &Ran) -> Json {
    let entries = ran.result.as_deref().ok().map(entries_document::render);
    let entries = entries.and_then(|text| serde_json::from_str::<Json>(&text).ok());
    json!({
        "key": case.object.key,
        "plugin": case.plugins(),
        "entries": entries,
        "error": ran.result.as_ref().err(),
        "fuel": ran.fuel,
        "fuel_limit": ran.limits.fuel,
        "memory_bytes": ran.memory_bytes,
        "memory_limit_bytes": ran.limits.memory_bytes,
        "time_ms": milliseconds(ran.time),
        "time_limit_ms": milliseconds(ran.limits.time),
        "output_bytes": ran.output_bytes(),
        "output_limit_bytes": ran.limits.output_bytes,
        "log": ran.log,
    })
}

/// For people.
pub(super) fn show(screen: &Screen, case: &Case, ran: &Ran) {
    let (plugins, key) = (case.plugins(), &case.object.key);
    match &ran.result {
        Ok(entries) => {
            let number = match entries.len() {
                1 => "1 entry".to_owned(),
                number => format!("{number} entries"),
            };
            screen.say(format!(
                "{} {plugins} on {key}: {number}",
                styled(GREEN, "✓")
            ));
            if !entries.is_empty() {
                screen.say(entries_table(entries));
            }
        }
        Err(error) => screen.say(format!("{} {}", styled(RED, "✗"), short(error, 4000))),
    }
    used(screen, case, ran);
    if !ran.log.is_empty() {
        screen.say("log");
    }
    for line in &ran.log {
        let level = match line.level.as_str() {
            "error" => styled(RED, "error"),
            "warn" => styled(YELLOW, "warn "),
            level => styled(DIM, format!("{level:<5}")),
        };
        screen.say(format!("  {level} {}", short(&line.message, 1000)));
    }
}

/// What it has used of each limit.
fn used(screen: &Screen, case: &Case, ran: &Ran) {
    let limits = &ran.limits;
    if let Some(fuel) = ran.fuel {
        let most = limits
            .fuel
            .saturating_mul(u64::try_from(case.modules.len()).unwrap_or(1).max(1));
        screen.say(format!(
            "fuel    {} {} of {}",
            bar(fuel, most),
            grouped(fuel),
            grouped(most),
        ));
    }
    let size = |number: usize| bytes(u64::try_from(number).unwrap_or(u64::MAX));
    if let Some(memory) = ran.memory_bytes {
        screen.say(format!(
            "memory  {} of {}",
            bytes(memory),
            size(limits.memory_bytes)
        ));
    }
    screen.say(format!(
        "time    {} ms of {} ms",
        milliseconds(ran.time),
        limits.time.as_millis()
    ));
    if ran.result.is_ok() {
        screen.say(format!(
            "output  {} of {}",
            size(ran.output_bytes()),
            size(limits.output_bytes)
        ));
    }
}

/// How much of a limit is used, and how much is left: the headroom.
pub(super) fn bar(used: u64, most: u64) -> String {
    let share = |of: u64| {
        let share = u128::from(used) * u128::from(of) / u128::from(most.max(1));
        u64::try_from(share).unwrap_or(of).min(of)
    };
    let (per_mille, full) = (share(1000), share(BAR));
    let style = match per_mille {
        0..500 => GREEN,
        500..800 => YELLOW,
        _ => RED,
    };
    let cells = |number: u64, cell: &str| cell.repeat(usize::try_from(number).unwrap_or(0));
    let bar = format!("{}{}", cells(full, "█"), cells(BAR - full, "░"));
    let left = 1000 - per_mille;
    format!("{} {}.{} % left,", styled(style, bar), left / 10, left % 10)
}

/// In milliseconds, to the microsecond.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn entries_table(entries: &[Entry]) -> comfy_table::Table {
    let mut table = table(&["key", "type", "field", "value"]);
    for entry in entries {
        let kind = match entry.ttl_seconds {
            Some(seconds) => format!("{}, {seconds} s", entry.value.kind()),
            None => entry.value.kind().to_owned(),
        };
        let (key, rows) = (short(&entry.key, WIDTH), rows(&entry.value));
        for (place, (field, value)) in rows.iter().take(MAX_ROWS).enumerate() {
            let (key, kind) = if place == 0 {
                (&*key, &*kind)
            } else {
                ("", "")
            };
            table.add_row([key, kind, &short(field, WIDTH), &short(value, WIDTH)]);
        }
        if let Some(more @ 1..) = rows.len().checked_sub(MAX_ROWS) {
            table.add_row(["", "", "…", &format!("and {more} more")]);
        }
    }
    table
}

/// Field and value of each element; the field is the place in a list, the score in a sorted set.
fn rows(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Hash(fields) => fields
            .iter()
            .map(|(field, value)| (field.clone(), blob(value)))
            .collect(),
        Value::List(_) => (0..)
            .map(|place: usize| place.to_string())
            .zip(elements(value))
            .collect(),
        _ => elements(value)
            .into_iter()
            .map(|text| (String::new(), text))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_from_its_value_whatever_is_in_it() {
        let hash = Value::Hash(vec![("a = b".into(), b"c = d".to_vec())]);
        assert_eq!(rows(&hash), [("a = b".to_owned(), "c = d".to_owned())]);
    }

    #[test]
    fn the_bar_shows_what_is_left_and_never_more_than_all() {
        let plain = |used, most| anstream::adapter::strip_str(&bar(used, most)).to_string();
        assert_eq!(plain(0, 10), format!("{} 100.0 % left,", "░".repeat(24)));
        assert_eq!(
            plain(5, 10),
            format!("{}{} 50.0 % left,", "█".repeat(12), "░".repeat(12))
        );
        assert_eq!(plain(10, 10), format!("{} 0.0 % left,", "█".repeat(24)));
        assert_eq!(plain(11, 10), plain(10, 10));
        assert_eq!(plain(u64::MAX, u64::MAX), plain(10, 10));
    }
}
