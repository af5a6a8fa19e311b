//! `redis-sync doctor`: a line for each part, ✓ or what to do.

mod bucket;
mod queue;
mod redis;
mod variables;

use super::function::Function;
use super::{Reach, ReachArgs};
use crate::Ended;
use crate::screen::{GREEN, RED, Screen, YELLOW, styled};
use anyhow::Result;
use redis_sync::text::counted;
use serde_json::{Value, json};

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
    let mut findings = Vec::new();
    match Reach::open(&args.reach).await? {
        Reach::Function(function) => findings.push(of_function(&function).await),
        Reach::Direct(pipeline) => {
            findings.push(good("variables", "complete"));
            bucket::look(&pipeline, &mut findings).await;
            redis::look(&pipeline, &mut findings).await;
            findings.push(queue::look(pipeline.settings()).await);
            findings.extend(variables::look(pipeline.settings()));
        }
    }
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

async fn of_function(function: &Function) -> Finding {
    match function.invoke(&json!({"status": {}})).await {
        Ok(answer) => {
            let objects = counted(answer["objects"].as_u64().unwrap_or(0), "object");
            good("function", format!("answers, and has {objects} in Redis"))
        }
        Err(error) => bad("function", format!("{error:#}")),
    }
}
