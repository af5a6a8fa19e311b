//! `redis-sync redrive --queue URL`: events that failed, back to work.

use super::{Reach, ReachArgs};
use crate::Ended;
use crate::problem::problem;
use crate::queue::{Message, Queue};
use crate::screen::{GREEN, RED, Screen, YELLOW, styled};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Messages that are looked at without being handled: more stay hidden no longer than that takes.
const MAX_LOOKED_AT: usize = 10_000;

/// What `redrive` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync redrive --queue https://sqs.eu-west-2.amazonaws.com/123456789012/redis-sync-failed --dry-run
  redis-sync redrive --queue https://sqs.eu-west-2.amazonaws.com/123456789012/redis-sync-failed --function redis-sync

The queue is an on-failure destination or a dead-letter queue. What is handled is deleted from it; what fails \
again stays, and is seen there again when this has ended. Exit status 1 where anything stays.")]
pub(crate) struct Args {
    /// The queue with the events that failed
    #[arg(long, value_name = "URL")]
    queue: String,
    /// Say what there is, and handle nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// What became of the messages.
#[derive(Default)]
struct Counts {
    /// How many there are of each kind.
    kinds: BTreeMap<&'static str, u64>,
    handled: u64,
}

/// Handles the events of a queue; ends badly where any fail again.
pub(crate) async fn redrive(args: &Args, screen: &Screen) -> Result<Ended> {
    let queue = Queue::new(&args.queue).await;
    let reach = Reach::open(&args.reach).await?;
    let (mut counts, mut kept) = (Counts::default(), BTreeMap::new());
    let gone_through = tokio::select! {
        ended = go_through(args, &queue, &reach, &mut counts, &mut kept, screen) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let given_back: Vec<Message> = kept.values().cloned().collect();
    let given_back = queue.give_back(&given_back).await;
    gone_through?;
    given_back?;
    let (all, stay) = (counts.kinds.values().sum::<u64>(), kept.len());
    screen.document(&json!({
        "messages": all, "kinds": counts.kinds, "handled": counts.handled, "stay": stay, "dry_run": args.dry_run,
    }));
    let kinds = counts
        .kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"));
    let kinds: Vec<String> = kinds.collect();
    let mark = if args.dry_run || stay == 0 {
        styled(GREEN, "✓")
    } else {
        styled(RED, "✗")
    };
    let kinds = if kinds.is_empty() {
        String::new()
    } else {
        format!(": {}", kinds.join(", "))
    };
    screen.say(format!("{mark} {all} messages{kinds}"));
    if args.dry_run {
        return Ok(Ended::Well);
    }
    screen.say(format!(
        "  {} handled and deleted, {stay} failed again and stay",
        counts.handled
    ));
    if stay > 0 {
        screen.say(styled(
            YELLOW,
            "  `redis-sync status` says which objects fail, and why",
        ));
    }
    Ok(Ended::well_if(stay == 0))
}

/// Receives until there is nothing new. What is not handled is in `kept` at the end, by its identifier, whatever
/// happens.
async fn go_through(
    args: &Args,
    queue: &Queue,
    reach: &Reach,
    counts: &mut Counts,
    kept: &mut BTreeMap<String, Message>,
    screen: &Screen,
) -> Result<()> {
    let (mut seen, mut done) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let received = queue.receive().await?;
        // SQS may deliver what is deleted, and does what was hidden for too long.
        let (again, received): (Vec<Message>, Vec<Message>) = received
            .into_iter()
            .partition(|message| done.contains(&message.id));
        queue.delete(&again).await?;
        let by_id = received.iter().map(|one| (one.id.clone(), one.clone()));
        kept.extend(by_id);
        let new: Vec<&Message> = received
            .iter()
            .filter(|message| seen.insert(message.id.clone()))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        for message in &new {
            *counts.kinds.entry(kind(&message.body)).or_default() += 1;
        }
        if args.dry_run {
            if seen.len() >= MAX_LOOKED_AT {
                screen.remark(format!("there are more than {MAX_LOOKED_AT}"));
                return Ok(());
            }
            continue;
        }
        let answer = reach.ask(&event(&new)).await?;
        let failed = failed(&answer)?;
        let handled = new
            .iter()
            .filter(|message| !failed.contains(message.id.as_str()));
        let handled: Vec<Message> = handled.map(|message| (*message).clone()).collect();
        queue.delete(&handled).await?;
        counts.handled += u64::try_from(handled.len()).unwrap_or(0);
        for message in handled {
            kept.remove(&message.id);
            done.insert(message.id);
        }
        screen.remark(format!(
            "{} handled, {} failed again",
            counts.handled,
            kept.len()
        ));
    }
}

/// The messages that failed again, by what the function answers to a batch. Whoever answers something else has not
/// handled any.
fn failed(answer: &Value) -> Result<BTreeSet<&str>> {
    let Some(failures) = answer["batchItemFailures"].as_array() else {
        return Err(problem(
            "the function does not say which messages it has handled: nothing was deleted",
            "is it the function that keeps Redis equal to the bucket? `redis-sync doctor --function NAME` says so",
        ));
    };
    let failed = failures
        .iter()
        .filter_map(|failure| failure["itemIdentifier"].as_str());
    Ok(failed.collect())
}

/// What the function gets from a queue that triggers it.
fn event(messages: &[&Message]) -> Value {
    let record = |message: &&Message| {
        json!({
            "messageId": message.id, "body": message.body, "eventSource": "aws:sqs",
            "receiptHandle": "", "attributes": {}, "messageAttributes": {},
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

/// What a message is.
fn kind(body: &str) -> &'static str {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match () {
        () if body.get("requestPayload").is_some() || body["source"] == "lambda" => {
            "failed invocations"
        }
        () if body.get("keys").is_some() || body.get("sync").is_some() => "parts of a sync",
        () if body.is_object() => "events",
        () => "not understood",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_to_a_batch_handles_nothing() {
        for answer in [
            json!(null),
            json!({"statusCode": 200}),
            json!({"batchItemFailures": {}}),
        ] {
            assert!(failed(&answer).is_err(), "{answer}");
        }
        let answer = json!({"batchItemFailures": [{"itemIdentifier": "a"}]});
        assert_eq!(failed(&answer).unwrap(), BTreeSet::from(["a"]));
        assert_eq!(failed(&json!({"batchItemFailures": []})).unwrap().len(), 0);
    }

    #[test]
    fn kinds_are_told_apart() {
        let kinds = [
            (
                r#"{"requestPayload": {"Records": []}}"#,
                "failed invocations",
            ),
            (r#"{"bucket": "b", "keys": ["a"]}"#, "parts of a sync"),
            (r#"{"Records": []}"#, "events"),
            ("hello", "not understood"),
        ];
        for (body, expected) in kinds {
            assert_eq!(kind(body), expected);
        }
    }
}
