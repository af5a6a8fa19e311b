//! `redis-sync read KEY`.

use super::{Reach, ReachArgs};
use crate::Ended;
use crate::screen::{Screen, bytes, short, table};
use anyhow::Result;
use serde_json::{Value, json};

/// Elements that are shown.
const MAX_ROWS: usize = 100;

/// What `read` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync read flags
  redis-sync read flags --show-values --json")]
pub(crate) struct Args {
    /// The Redis key, without `REDIS_KEY_PREFIX`
    key: String,
    /// Show the values, and not only their sizes
    #[arg(long)]
    show_values: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Says what a Redis key holds; ends badly where that is nothing, or nothing of Redis Sync's.
pub(crate) async fn read(args: &Args, screen: &Screen) -> Result<Ended> {
    let reach = Reach::open(&args.reach).await?;
    let answer = reach.ask(&json!({"read": args.key})).await?;
    if answer.is_null() {
        screen.document(&answer);
        let key = short(&args.key, 200);
        screen.say(format!("`{key}` holds nothing that Redis Sync wrote"));
        return Ok(Ended::Badly);
    }
    let shown = if args.show_values {
        answer
    } else {
        hidden(&answer)
    };
    screen.document(&shown);
    let mut table = table(&["field", "value"]);
    let rows = rows(&shown);
    for (field, value) in rows.iter().take(MAX_ROWS) {
        table.add_row([short(field, 60), short(value, 100)]);
    }
    if let Some(more @ 1..) = rows.len().checked_sub(MAX_ROWS) {
        table.add_row(["…".to_owned(), format!("and {more} more")]);
    }
    screen.say(short(&args.key, 200));
    screen.say(table);
    if !args.show_values {
        screen.remark("--show-values shows the values");
    }
    Ok(Ended::Well)
}

/// A value with the sizes of its texts in their places. The fields of a hash stay, and scores.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("base64") => {
            json!("(binary)")
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), hidden(value)))
            .collect(),
        Value::Array(items) => items.iter().map(hidden).collect(),
        Value::String(text) => {
            let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
            json!(format!("({})", bytes(size)))
        }
        other => other.clone(),
    }
}

/// Field and value of each element.
fn rows(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| (field.clone(), text(value)))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(place, item)| (place.to_string(), text(item)))
            .collect(),
        other => vec![(String::new(), text(other))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_left_where_they_are_hidden() {
        let value = json!({"a": "secret", "b": {"base64": "c2VjcmV0"}, "c": [["secret", 1.5]]});
        let expected = json!({"a": "(6 bytes)", "b": "(binary)", "c": [["(6 bytes)", 1.5]]});
        assert_eq!(hidden(&value), expected);
    }
}
