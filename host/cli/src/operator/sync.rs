//! `redis-sync sync [PREFIX]`: a plan, then the work.

use super::ask::is_agreed;
use super::progress::Progress;
use super::{Reach, ReachArgs};
use crate::Ended;
use crate::screen::{GREEN, RED, Screen, YELLOW, short, styled, table};
use anyhow::Result;
use redis_sync::text::counted;
use serde_json::{Map, Value, json};

/// Calls after which a sync is given up that does not come to its end.
const MAX_CALLS: u32 = 10_000;

/// What to do where nobody can be asked.
const OTHERWISE: &str = "`--yes` does it without asking, `--dry-run` only says what would be done";

/// What `sync` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync sync --dry-run
  redis-sync sync flags/ --yes
  redis-sync sync --verify
  redis-sync sync --function redis-sync")]
pub(crate) struct Args {
    /// Only objects whose keys begin so
    #[arg(default_value = "")]
    prefix: String,
    /// Say what would become of the objects, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Run plugins again also where nothing has changed
    #[arg(long)]
    force: bool,
    /// Compare what Redis holds with what was written, and write again what differs
    #[arg(long)]
    verify: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Brings Redis up to date with the bucket; ends badly where an object fails.
pub(crate) async fn sync(args: &Args, screen: &Screen) -> Result<Ended> {
    let reach = Reach::open(&args.reach).await?;
    let plan = go_through(&reach, &request(args, true), screen, 0).await?;
    if args.dry_run {
        screen.document(&plan.document(None));
        plan.show(screen, "would be");
        return Ok(Ended::well_if(plan.is_good()));
    }
    plan.show(screen, "will be");
    if plan.to_do() == 0 && !args.force {
        screen.document(&plan.document(Some(&plan)));
        screen.say("there is nothing to do");
        return Ok(Ended::well_if(plan.is_good()));
    }
    if !args.yes && !is_agreed(screen, OTHERWISE)? {
        screen.say("nothing was done");
        return Ok(Ended::Badly);
    }
    let done = go_through(&reach, &request(args, false), screen, plan.objects()).await?;
    screen.document(&plan.document(Some(&done)));
    done.show(screen, "");
    Ok(Ended::well_if(done.is_good()))
}

/// What is asked for, of all objects.
fn request(args: &Args, dry_run: bool) -> Value {
    json!({
        "prefix": args.prefix, "dry_run": dry_run, "force": args.force, "verify": args.verify
    })
}

/// What became, or would become, of the objects, over all calls.
#[derive(Default)]
pub(super) struct Outcome {
    counts: Map<String, Value>,
    stray_keys: u64,
    /// The first failures of each call: key and error.
    failed: Vec<Value>,
    /// Why it did not come to its end, if it did not.
    stopped: Option<String>,
}

impl Outcome {
    fn count(&self, outcome: &str) -> u64 {
        self.counts
            .get(outcome)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }

    fn add(&mut self, answer: &Value) {
        for (outcome, count) in answer["counts"].as_object().into_iter().flatten() {
            let sum = self.count(outcome) + count.as_u64().unwrap_or(0);
            self.counts.insert(outcome.clone(), json!(sum));
        }
        self.stray_keys += answer["stray_keys"].as_u64().unwrap_or(0);
        let failed = answer["failed"].as_array().cloned().unwrap_or_default();
        self.failed.extend(failed);
    }

    /// All objects that were gone through. Those that have drifted are counted by their outcome as well.
    fn objects(&self) -> u64 {
        let all: u64 = self.counts.values().filter_map(Value::as_u64).sum();
        all.saturating_sub(self.count("drifted"))
    }

    /// What is not as it should be in Redis.
    fn to_do(&self) -> u64 {
        ["synced", "deleted", "failed"]
            .map(|outcome| self.count(outcome))
            .iter()
            .sum::<u64>()
            + self.stray_keys
    }

    /// Adds what became of other objects.
    pub(super) fn extend(&mut self, other: Self) {
        self.add(&json!({
            "counts": other.counts, "stray_keys": other.stray_keys, "failed": other.failed,
        }));
        self.stopped = self.stopped.take().or(other.stopped);
    }

    pub(super) fn is_good(&self) -> bool {
        self.count("failed") == 0 && self.stopped.is_none()
    }

    fn document(&self, done: Option<&Self>) -> Value {
        json!({"plan": self.json(), "done": done.map(Self::json)})
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        json!({
            "counts": self.counts,
            "stray_keys": self.stray_keys,
            "failed": self.failed,
            "stopped": self.stopped,
        })
    }

    pub(super) fn show(&self, screen: &Screen, verb: &str) {
        let verb = if verb.is_empty() {
            String::new()
        } else {
            format!("{verb} ")
        };
        let counts = self
            .counts
            .iter()
            .filter(|(_, count)| count.as_u64() != Some(0));
        let counts = counts.map(|(outcome, count)| match &**outcome {
            "unchanged" => format!("{count} unchanged"),
            "drifted" => format!("{count} had drifted"),
            "failed" if !verb.is_empty() => format!("{count} would fail"),
            outcome => format!("{count} {verb}{outcome}"),
        });
        let mut counts: Vec<String> = counts.collect();
        if self.stray_keys > 0 {
            counts.push(format!(
                "{} {verb}removed",
                counted(self.stray_keys, "stray key")
            ));
        }
        let mark = if self.is_good() {
            styled(GREEN, "✓")
        } else {
            styled(RED, "✗")
        };
        let objects = counted(self.objects(), "object");
        screen.say(format!("{mark} {objects}: {}", counts.join(", ")));
        if let Some(why) = &self.stopped {
            screen.say(format!("  {}", styled(YELLOW, short(why, 1000))));
        }
        if !self.failed.is_empty() {
            let mut table = table(&["object", "why"]);
            for failure in &self.failed {
                let text = |member: &str| failure[member].as_str().unwrap_or_default();
                table.add_row([short(text("key"), 60), short(text("error"), 200)]);
            }
            screen.say(table);
        }
    }
}

/// Asks for a sync until it has come to its end: an invocation has its time.
pub(super) async fn go_through(
    reach: &Reach,
    request: &Value,
    screen: &Screen,
    objects: u64,
) -> Result<Outcome> {
    let _progress = Progress::start(*screen, objects);
    let mut outcome = Outcome::default();
    let mut after = String::new();
    for _ in 0..MAX_CALLS {
        let mut request = request.clone();
        request["after"] = json!(after);
        let answer = reach.ask(&json!({ "sync": request })).await?;
        outcome.add(&answer);
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        let next = answer["next"].as_str();
        // Where it has not got on at all, it would not the next time.
        if let Some(next) = next.filter(|next| **next > *after) {
            next.clone_into(&mut after);
            continue;
        }
        let failed = answer["counts"]["failed"].as_u64().unwrap_or(0);
        // Either it says where it would go on, or it was at its end, and what is wrong besides failures it tells.
        let is_stopped = next.is_some() || (failed == 0 && answer["status"] == "error");
        if is_stopped {
            outcome.stopped = Some(message);
        }
        return Ok(outcome);
    }
    outcome.stopped = Some(format!("given up after {MAX_CALLS} calls"));
    Ok(outcome)
}
