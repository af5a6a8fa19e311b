//! `redis-sync sync [PREFIX]`: a plan, then the work.

use super::ask::is_agreed;
use super::preview::{self, Counts, Object};
use super::progress::Progress;
use super::reach::DOCTOR;
use super::{Reach, ReachArgs};
use crate::Ended;
use crate::problem::problem;
use crate::screen::{GREEN, RED, Screen, short, styled, table};
use anyhow::Result;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redis_sync::text::counted;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Calls after which a sync is given up that does not come to its end.
const MAX_CALLS: u32 = 10_000;

/// Lines of what would change that are shown.
const MAX_LINES: usize = 100;

/// Objects that are kept of those that would change.
const MAX_TOLD: usize = 1000;

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
    let mut plan = request(args, true);
    plan["changes"] = json!(true);
    let plan = go_through(&reach, &plan, screen, 0).await?;
    if args.dry_run || plan.stopped.is_some() {
        screen.document(&plan.document(None));
        plan.show(screen, "would be");
        return plan.ended();
    }
    plan.show(screen, "will be");
    if plan.to_do() == 0 && !args.force {
        screen.document(&plan.document(Some(&plan)));
        screen.say("there is nothing to do");
        return plan.ended();
    }
    if !args.yes && !is_agreed(screen, OTHERWISE)? {
        screen.say("nothing was done");
        return Ok(Ended::Badly);
    }
    let done = go_through(&reach, &request(args, false), screen, plan.objects()).await?;
    screen.document(&plan.document(Some(&done)));
    done.show(screen, "");
    done.ended()
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
    /// Objects that are left to the function's queue: what becomes of them is not known.
    queued: u64,
    /// The first failures of each call: key and error.
    failed: Vec<Value>,
    /// What would change, of a dry run.
    changes: Changes,
    /// Why it did not come to its end, if it did not.
    stopped: Option<String>,
}

/// What would change, by object and key.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Changes {
    /// Redis keys.
    keys: Counts,
    objects: Vec<Object>,
    /// Objects of which nothing is told.
    left_out: u64,
}

impl Changes {
    fn extend(&mut self, other: Self) {
        self.keys.add(&other.keys);
        let room = MAX_TOLD.saturating_sub(self.objects.len());
        let beyond = other.objects.len().saturating_sub(room);
        self.objects.extend(other.objects.into_iter().take(room));
        self.left_out += other.left_out + u64::try_from(beyond).unwrap_or(0);
    }

    /// Redis keys that several of the objects would write, and those objects: one of them gets it, and the
    /// others fail.
    fn contested(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut writers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for object in &self.objects {
            let written = object.changes.iter();
            for change in written.filter(|change| change.change != "removed") {
                let writers = writers.entry(&change.key).or_default();
                writers.push(&object.key);
            }
        }
        writers.retain(|_, objects| objects.len() > 1);
        writers
    }

    /// Whether every key is free that would be written. One that another object has is where that one gives
    /// it up; which would be seen here.
    fn are_free(&self) -> bool {
        let is_taken = self.objects.iter().any(|object| object.error.is_some());
        let may_be_given_up = self.keys.removed > 0 || self.left_out > 0;
        self.contested().is_empty() && (!is_taken || may_be_given_up)
    }

    fn json(&self) -> Value {
        let mut json = json!(self);
        json["contested"] = json!(self.contested());
        json
    }

    fn show(&self, screen: &Screen) {
        for (key, objects) in self.contested() {
            let objects: Vec<String> = objects.iter().map(|object| short(object, 100)).collect();
            screen.say(format!(
                "  {} the Redis key `{}` is yielded by {}: one of them gets it, and the others fail",
                styled(RED, "✗"),
                short(key, 100),
                objects.join(", ")
            ));
        }
        let Counts {
            added,
            changed,
            removed,
        } = self.keys;
        if self.objects.is_empty() {
            return;
        }
        screen.say(format!(
            "  Redis keys: {added} added, {changed} changed, {removed} removed"
        ));
        preview::show_objects(screen, &self.objects, MAX_LINES, "--json has them");
        if self.left_out > 0 {
            let more = counted(self.left_out, "object");
            screen.say(format!("  … and {more} of which no keys are told"));
        }
    }
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
        self.queued += answer["queued"].as_u64().unwrap_or(0);
        let failed = answer["failed"].as_array().cloned().unwrap_or_default();
        self.failed.extend(failed);
        let changes = serde_json::from_value(answer["changes"].clone());
        self.changes.extend(changes.unwrap_or_default());
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
            "counts": other.counts, "stray_keys": other.stray_keys, "queued": other.queued,
            "failed": other.failed,
        }));
        self.stopped = self.stopped.take().or(other.stopped);
    }

    fn is_good(&self) -> bool {
        let is_done = self.count("failed") == 0 && self.queued == 0;
        is_done && self.stopped.is_none() && self.changes.are_free()
    }

    /// How the command ends that did it: badly where an object fails, and in an error where it did not come
    /// to its end.
    pub(super) fn ended(&self) -> Result<Ended> {
        match &self.stopped {
            Some(why) => Err(problem(
                format!("the sync has not come to its end: {}", short(why, 1000)),
                DOCTOR,
            )),
            None => Ok(Ended::well_if(self.is_good())),
        }
    }

    fn document(&self, done: Option<&Self>) -> Value {
        let mut plan = self.json();
        plan["changes"] = self.changes.json();
        json!({"plan": plan, "done": done.map(Self::json)})
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        json!({
            "counts": self.counts,
            "stray_keys": self.stray_keys,
            "queued": self.queued,
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
        if self.queued > 0 {
            counts.push(format!("{} queued", self.queued));
        }
        let mark = if self.is_good() {
            styled(GREEN, "✓")
        } else {
            styled(RED, "✗")
        };
        let objects = counted(self.objects(), "object");
        match counts.as_slice() {
            // Why is the error's to say.
            [] if self.stopped.is_some() => {}
            [] => screen.say(format!("{mark} {objects}")),
            counts => screen.say(format!("{mark} {objects}: {}", counts.join(", "))),
        }
        self.changes.show(screen);
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

/// Brings one object up to date: a job of S3 Batch Operations with one task, since a sync has a prefix,
/// under which others may lie.
pub(super) async fn one(reach: &Reach, bucket: &str, key: &str) -> Result<Outcome> {
    let name = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
    let answer = reach
        .ask(&json!({
            "invocationSchemaVersion": "2.0", "invocationId": "redis-sync", "job": {"id": "redis-sync"},
            "tasks": [{"taskId": "object", "s3Key": name, "s3VersionId": null, "s3Bucket": bucket}],
        }))
        .await?;
    let result = &answer["results"][0];
    let said = result["resultString"].as_str().unwrap_or_default();
    let mut outcome = Outcome::default();
    outcome.add(&if result["resultCode"] == "Succeeded" {
        json!({"counts": {said: 1}})
    } else {
        json!({"counts": {"failed": 1}, "failed": [{"key": key, "error": said}]})
    });
    Ok(outcome)
}

/// Asks for a sync until it has come to its end: an invocation has its time. Nothing is left to the function's queue:
/// what became of that, nobody could say.
pub(super) async fn go_through(
    reach: &Reach,
    request: &Value,
    screen: &Screen,
    objects: u64,
) -> Result<Outcome> {
    let _progress = Progress::start(*screen, objects);
    let mut outcome = Outcome::default();
    let mut rest: Option<(Value, Value)> = None;
    for _ in 0..MAX_CALLS {
        let mut request = request.clone();
        if request["dry_run"] != true {
            request["without_queue"] = json!(true);
        }
        if let Some((after, chain)) = rest {
            request["after"] = after;
            request["chain"] = chain;
        }
        let mut answer = reach.ask(&json!({ "sync": request })).await?;
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        let has_rest = answer["next"].is_string();
        // Where it has not got on at all, it would not the next time.
        let goes_on = has_rest && answer["got_on"] == true;
        if goes_on && let Some(failed) = answer["failed"].as_array_mut() {
            failed.retain(|failure| failure["not_reached"] != true);
        }
        outcome.add(&answer);
        if goes_on {
            rest = Some((answer["next"].clone(), answer["chain"].clone()));
            continue;
        }
        // Either it says where it would go on, or it was at its end, and what is wrong besides failures it tells.
        let is_stopped = has_rest || (outcome.count("failed") == 0 && answer["status"] == "error");
        if is_stopped {
            outcome.stopped = Some(message);
        }
        return Ok(outcome);
    }
    outcome.stopped = Some(format!("given up after {MAX_CALLS} calls"));
    Ok(outcome)
}
