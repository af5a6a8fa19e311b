//! `redis-sync doctor`: a line for each part, ✓ or what to do.

mod bucket;
mod queue;
mod redis;
mod variables;

use super::ReachArgs;
use super::function::Function;
use crate::Ended;
use crate::runner::PROGRAM;
use crate::screen::{GREEN, RED, Screen, YELLOW, styled};
use anyhow::Result;
use redis_sync::pipeline::Pipeline;
use redis_sync::text::counted;
use serde_json::{Value, json};
use std::path::Path;
use variables::Variables;

/// What `doctor` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync doctor
  redis-sync doctor --function redis-sync

It writes nothing. With --function it can only see whether the function answers, and whether that \
reaches Redis.")]
pub(crate) struct Args {
    #[command(flatten)]
    reach: ReachArgs,
}

/// What was looked at.
#[derive(Debug)]
struct Finding {
    part: &'static str,
    state: State,
    /// What is there, or what to do.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// It works, and could go wrong.
    Doubtful,
    Bad,
}

fn good(part: &'static str, text: impl Into<String>) -> Finding {
    let (state, text) = (State::Good, text.into());
    Finding { part, state, text }
}

fn doubtful(part: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        state: State::Doubtful,
        ..good(part, text)
    }
}

fn bad(part: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        state: State::Bad,
        ..good(part, text)
    }
}

/// Looks at everything; ends badly where something does not work.
pub(crate) async fn doctor(args: &Args, screen: &Screen) -> Result<Ended> {
    let findings = match args.reach.function().await {
        Some(function) => vec![of_function(&function).await],
        None => of_parts().await?,
    };
    let mut documents = Vec::new();
    for Finding { part, state, text } in &findings {
        let (mark, name) = match state {
            State::Good => (styled(GREEN, "✓"), "good"),
            State::Doubtful => (styled(YELLOW, "!"), "doubtful"),
            State::Bad => (styled(RED, "✗"), "bad"),
        };
        screen.say(format!("{mark} {part:<10} {text}"));
        documents.push(json!({"part": part, "state": name, "text": text}));
    }
    screen.document(&Value::Array(documents));
    let is_bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(Ended::well_if(!is_bad))
}

/// What is found where bucket and Redis are looked at themselves, as far as the variables lead to them.
async fn of_parts() -> Result<Vec<Finding>> {
    let aws = redis_sync::aws::config().await;
    let has_region = aws
        .region()
        .is_some_and(|region| !region.as_ref().is_empty());
    let read = Variables::read(|name| std::env::var(name).ok(), has_region);
    let mut findings = read.look();
    if let Some(settings) = &read.settings {
        let pipeline = Pipeline::with_parts(settings.clone(), &aws, Path::new(PROGRAM))?;
        match read.without_bucket() {
            None => bucket::look(&pipeline, read.is_complete(), &mut findings).await,
            Some(name) => findings.push(not_looked_at("listing", name)),
        }
        match read.without_redis() {
            None => redis::look(pipeline, &aws, &mut findings).await,
            Some(name) => findings.push(not_looked_at("redis", name)),
        }
        findings.push(queue::look(settings).await);
        findings.push(variables::compiled(settings));
    }
    findings.extend(read.memory());
    Ok(findings)
}

fn not_looked_at(part: &'static str, name: &str) -> Finding {
    doubtful(part, format!("not looked at: that needs {name}"))
}

async fn of_function(function: &Function) -> Finding {
    match function.invoke(&json!({"status": {}})).await {
        Ok(answer) => {
            let objects = counted(answer["objects"].as_u64().unwrap_or(0), "object");
            good("function", format!("answers, and has {objects} in Redis"))
        }
        Err(error) => bad("function", format!("{error:#}")),
    }
}
