//! SQS batches.

use super::change::{Change, Delivery};
use super::failed;
use super::notification;
use super::operation::{self, SyncRequest};
use super::problem::EventError;
use crate::key;
use crate::work::Work;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Keys in one message of ours: many times what is sent.
const MAX_KEYS: usize = 1000;

/// One message of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What SQS calls it, and is told if it failed.
    pub id: String,
    /// The name of the queue that it comes from, as its URL has it: account and queue.
    pub queue: String,
    /// Whether it is what an on-failure destination keeps.
    pub has_failed: bool,
    /// What its body says.
    pub delivery: Delivery,
    /// Whether plugins run again although nothing has changed.
    pub force: bool,
    /// A full sync that it asks for: one that is to go on, or that failed before.
    pub sync: Option<SyncRequest>,
    /// Whether it is work that the function has sent to itself.
    pub is_work: bool,
}

impl Message {
    /// One of a failed invocation that cannot be read.
    fn unreadable(problem: EventError) -> Self {
        Self {
            has_failed: true,
            delivery: Delivery {
                problems: problem.into(),
                ..Delivery::default()
            },
            ..Self::default()
        }
    }
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: Option<Box<RawValue>>,
    #[serde(rename = "eventSourceARN", default)]
    queue_arn: String,
    #[serde(default)]
    attributes: HashMap<String, IgnoredAny>,
}

/// Reads a batch: its messages in order, and whether order matters. A body that cannot be read fails
/// its own message only.
pub(super) fn parse(payload: &str) -> Result<(Vec<Message>, bool), EventError> {
    let batch: Batch = serde_json::from_str(payload)
        .map_err(|error| EventError::malformed("SQS batch", &error))?;
    let fifo = batch.records.iter().any(|record| {
        record.queue_arn.ends_with(".fifo")
            || record.attributes.contains_key("MessageGroupId") && record.queue_arn.is_empty()
    });
    let messages = batch.records.into_iter().map(|record| {
        let queue: Vec<&str> = record.queue_arn.rsplitn(3, ':').collect();
        Message {
            id: record.message_id,
            queue: match queue.as_slice() {
                [name, account, _] => format!("{account}/{name}"),
                _ => String::new(),
            },
            ..read(&text(record.body.as_deref()))
        }
    });
    Ok((messages.collect(), fifo))
}

/// A body is text; whatever else a record may have there reads as nothing.
fn text(body: Option<&RawValue>) -> String {
    body.and_then(|body| serde_json::from_str(body.get()).ok())
        .unwrap_or_default()
}

/// What a body says: the function's own work, a full sync, an event, or what an on-failure destination
/// keeps of an invocation with one of those.
fn read(body: &str) -> Message {
    let failed::Payload { text, has_failed } = match failed::unwrapped(body) {
        Ok(payload) => payload,
        Err(problem) => return Message::unreadable(problem),
    };
    let payload = &*text;
    let mut message = Message {
        has_failed,
        ..Message::default()
    };
    if let Ok(work) = serde_json::from_str::<Work>(payload) {
        message.is_work = true;
        message.force = work.force;
        message.delivery = ours(work);
        return message;
    }
    match operation::sync_of(payload) {
        Some(Ok(request)) => message.sync = Some(request),
        Some(Err(problem)) => message.delivery.problems.push(problem),
        None => message.delivery = changes(payload),
    }
    message
}

fn changes(body: &str) -> Delivery {
    notification::parse(body).unwrap_or_else(|problem| Delivery {
        problems: problem.into(),
        ..Delivery::default()
    })
}

/// The function itself has sent it.
fn ours(work: Work) -> Delivery {
    let mut delivery = Delivery::default();
    let malformed =
        |problem: &dyn std::fmt::Display| EventError::malformed("list of keys", problem);
    if work.keys.len() > MAX_KEYS {
        delivery
            .problems
            .push(malformed(&format!("it has more than {MAX_KEYS} keys")));
        return delivery;
    }
    for key in work.keys {
        match key::checked(key) {
            Ok(key) => delivery.changes.push(Change {
                bucket: Some(work.bucket.clone()),
                key,
            }),
            Err(problem) => delivery.problems.push(malformed(&problem)),
        }
    }
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_body_fails_that_message_only() {
        let good = r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
        let payload = serde_json::json!({"Records": [
            {"messageId": "1", "eventSource": "aws:sqs", "body": good, "eventSourceARN": "arn:aws:sqs:eu-west-2:1:q"},
            {"messageId": "2", "eventSource": "aws:sqs", "body": "{", "eventSourceARN": "arn:aws:sqs:eu-west-2:1:q"},
        ]});
        let (messages, fifo) = parse(&payload.to_string()).unwrap();
        assert!(!fifo);
        assert_eq!(messages[0].delivery.changes.len(), 1);
        assert_eq!(messages[1].delivery.changes, []);
        assert_eq!(messages[1].delivery.problems, EventError::Unknown.into());
    }

    #[test]
    fn what_the_function_sent_itself_is_read() {
        let work = Work {
            bucket: "config".into(),
            keys: vec!["a+b".into(), "c%20d".into()],
            force: false,
        };
        let Message {
            delivery, is_work, ..
        } = read(&serde_json::to_string(&work).unwrap());
        assert!(is_work);
        let keys: Vec<&str> = delivery
            .changes
            .iter()
            .map(|change| change.key.as_str())
            .collect();
        assert_eq!(keys, ["a+b", "c%20d"]);
        assert!(delivery.problems.is_empty());
    }

    #[test]
    fn a_sync_is_read_also_out_of_what_failed_before() {
        let sync = r#"{"sync":{"prefix":"flags/","after":"flags/k"}}"#;
        let failed =
            |payload: &str| format!(r#"{{"requestContext":{{}},"requestPayload":{payload}}}"#);
        for body in [sync.to_owned(), failed(sync), failed(&failed(sync))] {
            let message = read(&body);
            assert_eq!(message.delivery, Delivery::default());
            assert_eq!(message.sync.unwrap().after, "flags/k");
        }
        let event = r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
        let message = read(&failed(event));
        assert_eq!((message.delivery.changes.len(), message.sync), (1, None));
        let message = read(&failed(r#"{"read":"k"}"#));
        assert!(
            !message.delivery.problems.is_empty(),
            "nobody would hear the answer"
        );
    }

    #[test]
    fn a_fifo_queue_is_known_by_its_name() {
        let payload = r#"{"Records":[{"messageId":"1","eventSource":"aws:sqs","body":"","eventSourceARN":"arn:aws:sqs:eu-west-2:1:q.fifo"}]}"#;
        let (messages, fifo) = parse(payload).unwrap();
        assert!(fifo);
        assert_eq!(messages[0].queue, "1/q.fifo");
    }
}
