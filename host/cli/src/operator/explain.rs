//! `redis-sync explain KEY`.

use super::{Reach, ReachArgs, ago};
use crate::Ended;
use crate::screen::{Screen, short};
use anyhow::Result;
use serde_json::{Value, json};

/// What `explain` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  redis-sync explain flags")]
pub(crate) struct Args {
    /// The Redis key, without `REDIS_KEY_PREFIX`
    key: String,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Says who wrote a Redis key; ends badly where Redis Sync did not.
pub(crate) async fn explain(args: &Args, screen: &Screen) -> Result<Ended> {
    let reach = Reach::open(&args.reach).await?;
    let answer = reach.ask(&json!({"explain": args.key})).await?;
    screen.document(&answer);
    if answer.is_null() {
        screen.say(format!(
            "`{}` was not written by Redis Sync",
            short(&args.key, 200)
        ));
        return Ok(Ended::Badly);
    }
    let text = |member: &str| answer[member].as_str().map(|text| short(text, 200));
    let by = |who: &Value| {
        let said = [&who["principal"], &who["source_ip"]].map(Value::as_str);
        match said.map(|text| text.map(|text| short(text, 100))) {
            [None, None] => None,
            [Some(who), None] => Some(who),
            [None, Some(address)] => Some(format!("somebody at {address}")),
            [Some(who), Some(address)] => Some(format!("{who} at {address}")),
        }
    };
    let plugins = answer["plugins"].as_array().into_iter().flatten();
    let plugins = plugins.map(|plugin| {
        let text = |member: &str| plugin[member].as_str().unwrap_or_default();
        let by = by(plugin).map(|who| format!(", uploaded by {who}"));
        let (name, by) = (short(text("name"), 100), by.unwrap_or_default());
        format!("{name} ({}{by})", text("sha256"))
    });
    let plugins: Vec<String> = plugins.collect();
    let rows = [
        ("object", text("object")),
        ("etag", text("etag")),
        ("version", text("version_id")),
        ("put by", by(&answer)),
        (
            "plugin",
            Some(plugins.join(", ")).filter(|names| !names.is_empty()),
        ),
        ("written", answer["written_at"].as_u64().map(ago)),
    ];
    screen.say(short(&args.key, 200));
    for (name, value) in rows {
        if let Some(value) = value {
            screen.say(format!("  {name:<8} {value}"));
        }
    }
    Ok(Ended::Well)
}
