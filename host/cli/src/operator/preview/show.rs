//! What a preview comes to, for people.

use super::tally::{Change, Counts, Field, HEADROOM, Object, Tally};
use crate::screen::{BOLD, DIM, GREEN, RED, Screen, YELLOW, bytes, grouped, short, styled};
use clap::builder::styling::Style;
use redis_sync::text::counted;

/// Lines that are shown.
const MAX_LINES: usize = 300;

/// Cells of the longest bar.
const BAR: u64 = 30;

/// Says what a module would change.
pub(crate) fn show(screen: &Screen, tally: &Tally, route: &str) {
    if tally.objects == 0 {
        screen.say(format!(
            "{} {} on `{}`: no object is there that it would take, so that nothing was tried",
            styled(YELLOW, "!"),
            tally.plugin,
            short(route, 100)
        ));
        return;
    }
    let mark = if tally.is_good() {
        styled(GREEN, "✓")
    } else {
        styled(RED, "✗")
    };
    let Counts {
        added,
        changed,
        removed,
    } = tally.keys;
    screen.say(format!(
        "{mark} {} on `{}`: {}, {} would change, {} would fail",
        tally.plugin,
        short(route, 100),
        counted(tally.objects, "object"),
        tally.would_change,
        tally.would_fail
    ));
    screen.say(format!(
        "  Redis keys: {added} added, {changed} changed, {removed} removed"
    ));
    let objects = tally.failed.iter().chain(&tally.changed);
    show_objects(screen, objects, MAX_LINES, "--html or --json has them");
    screen.say(styled(BOLD, "fuel left"));
    let most = tally.fuel_left.iter().max().copied().unwrap_or(0).max(1);
    for (place, (share, count)) in HEADROOM.iter().zip(tally.fuel_left).enumerate() {
        let to = place
            .checked_sub(1)
            .and_then(|above| HEADROOM.get(above))
            .unwrap_or(&100);
        let cells = (count * BAR).div_ceil(most);
        let bar = "█".repeat(usize::try_from(cells).unwrap_or(0));
        let style = if *share >= 50 { GREEN } else { YELLOW };
        screen.say(format!(
            "  {share:>2} to {to:>3} %  {} {count}",
            styled(style, bar)
        ));
    }
    screen.say(styled(BOLD, "slowest"));
    for slow in &tally.slowest {
        let fuel = slow.fuel.map(|fuel| format!(", {} fuel", grouped(fuel)));
        let key = short(&slow.key, 100);
        screen.say(format!(
            "  {key}  {} ms{}",
            slow.time_ms,
            fuel.unwrap_or_default()
        ));
    }
}

/// Says what becomes of objects, in so many lines at the most; `else_where` says who has the others.
pub(crate) fn show_objects<'a>(
    screen: &Screen,
    objects: impl IntoIterator<Item = &'a Object>,
    most: usize,
    else_where: &str,
) {
    let lines = objects.into_iter().flat_map(|one| match one.error {
        Some(_) => failure(one).to_vec(),
        None => object(one),
    });
    let lines: Vec<String> = lines.collect();
    for line in lines.iter().take(most) {
        screen.say(line);
    }
    if let Some(more @ 1..) = lines.len().checked_sub(most) {
        screen.say(format!(
            "… and {} more: {else_where}",
            counted(more, "line")
        ));
    }
}

fn failure(object: &Object) -> [String; 1] {
    let also = if object.fails_now {
        styled(DIM, " (it fails now as well)")
    } else {
        String::new()
    };
    let why = short(object.error.as_deref().unwrap_or_default(), 1000);
    let key = short(&object.key, 200);
    [format!("{} {key}: {why}{also}", styled(RED, "✗"))]
}

fn object(object: &Object) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {}",
        styled(YELLOW, "~"),
        styled(BOLD, short(&object.key, 200))
    )];
    for change in &object.changes {
        lines.push(format!("  {}", key(change)));
        lines.extend(
            change
                .fields
                .iter()
                .map(|element| format!("    {}", field(element))),
        );
    }
    if object.left_out > 0 {
        lines.push(format!(
            "  … and {} more",
            counted(object.left_out, "Redis key")
        ));
    }
    lines
}

/// What becomes of a Redis key.
fn key(change: &Change) -> String {
    let (style, sign) = sign(&change.change);
    let kind = match &change.type_before {
        Some(before) => format!("{before} → {}", change.kind),
        None => change.kind.clone(),
    };
    let mut said = vec![kind];
    said.extend(sizes(change.bytes_before, change.bytes_after));
    if let Some(Counts {
        added,
        changed,
        removed,
    }) = &change.elements
        && change.change == "changed"
    {
        said.push(format!(
            "{added} added, {changed} changed, {removed} removed in it"
        ));
    }
    said.extend(
        change
            .time_to_live
            .as_ref()
            .map(|what| format!("time to live {what}")),
    );
    if change.taken_over {
        said.push("taken over: Redis Sync did not write it".to_owned());
    }
    let name = short(&change.key, 200);
    styled(style, format!("{sign} {name}")) + &format!(" ({})", said.join("; "))
}

/// What becomes of an element.
fn field(field: &Field) -> String {
    let (style, sign) = sign(&field.change);
    let said = match (&field.before, &field.after) {
        (None, None) => {
            sizes(field.bytes_before, field.bytes_after).map(|sizes| format!(" ({sizes})"))
        }
        (before, after) => {
            let text = |value: &Option<String>| value.as_deref().map(|value| short(value, 60));
            let both: Vec<String> = [text(before), text(after)].into_iter().flatten().collect();
            Some(format!(" = {}", both.join(" → ")))
        }
    };
    styled(style, format!("{sign} {}", short(&field.field, 100))) + &said.unwrap_or_default()
}

fn sign(change: &str) -> (Style, &'static str) {
    match change {
        "added" => (GREEN, "+"),
        "removed" => (RED, "-"),
        _ => (YELLOW, "~"),
    }
}

/// Sizes before and after, as far as there are such.
pub(super) fn sizes(before: Option<u64>, after: Option<u64>) -> Option<String> {
    match (before.map(bytes), after.map(bytes)) {
        (None, None) => None,
        (Some(size), None) | (None, Some(size)) => Some(size),
        (Some(before), Some(after)) if before == after => Some(after),
        (Some(before), Some(after)) => Some(format!("{before} → {after}")),
    }
}
