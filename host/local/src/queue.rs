//! An SQS queue over HTTP, in memory, as far as a function and its event source mapping use one.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::server::Server;

/// What all requests that are taken begin with.
const SERVICE: &str = "AmazonSQS.";

/// Bytes of all messages that are sent together.
const MAX_BYTES: usize = 256 << 10;

/// A queue. It forgets everything when it is dropped.
#[derive(Debug)]
pub struct Queue {
    /// What is in it.
    state: Arc<State>,
    /// Serves as long as it is there.
    server: Server,
}

#[derive(Debug, Default)]
struct State {
    /// Messages that nobody has received, the oldest first.
    waiting: Mutex<VecDeque<Message>>,
    /// Those that a client has received, by their receipts. They stay hidden until it gives them back:
    /// no time passes here.
    hidden: Mutex<BTreeMap<String, Message>>,
    /// How many messages were sent so far.
    sent: AtomicU64,
}

/// A message in the queue.
#[derive(Clone, Debug)]
struct Message {
    /// What SQS calls it.
    id: String,
    /// Its text.
    body: String,
    /// How often it was received.
    received: u64,
}

/// Messages that were received, until the function's answer says what becomes of them.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Message>,
}

impl Queue {
    /// Starts an empty queue.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(State::default());
        let server = Server::with_state(&state, answer).await?;
        Ok(Self { state, server })
    }

    /// The URL for `AWS_ENDPOINT_URL_SQS`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The URL for `SYNC_QUEUE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/000000000000/sync", self.endpoint())
    }

    /// Sends a message.
    pub fn send(&self, body: impl Into<String>) {
        self.state.add(body.into());
    }

    /// How many messages were sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    /// How many messages are in it, also those that a client has received and neither deleted nor given
    /// back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.waiting.lock().len() + self.state.hidden.lock().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages wait to be received.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state.waiting.lock().len()
    }

    /// Takes up to `limit` messages out; `None` where there are none.
    #[must_use]
    pub fn receive(&self, limit: usize) -> Option<Batch> {
        let mut waiting = self.state.waiting.lock();
        let count = waiting.len().min(limit);
        let mut messages: Vec<Message> = waiting.drain(..count).collect();
        for message in &mut messages {
            message.received += 1;
        }
        (!messages.is_empty()).then_some(Batch { messages })
    }

    /// Puts those messages back that the function's answer names, and gives how many these are.
    pub fn settle(&self, batch: Batch, answer: &Value) -> usize {
        let failures = answer["batchItemFailures"].as_array();
        let failed = |message: &Message| {
            let names = |failure: &Value| failure["itemIdentifier"] == message.id.as_str();
            failures.is_some_and(|failures| failures.iter().any(names))
        };
        let back: Vec<Message> = batch.messages.into_iter().filter(failed).collect();
        let count = back.len();
        self.state.waiting.lock().extend(back);
        count
    }
}

impl Batch {
    /// The event that an event source mapping makes of it.
    #[must_use]
    pub fn event(&self) -> Value {
        let record = |message: &Message| {
            json!({
                "messageId": message.id,
                "receiptHandle": format!("receipt of {}", message.id),
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.received.to_string(),
                    "SentTimestamp": "1764000000000",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1764000000001",
                },
                "messageAttributes": {},
                "md5OfBody": "00000000000000000000000000000000",
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:{}:000000000000:sync", crate::REGION),
                "awsRegion": crate::REGION,
            })
        };
        json!({ "Records": self.messages.iter().map(record).collect::<Vec<_>>() })
    }
}

impl State {
    /// Hands out messages, and hides them until they are given back or deleted.
    fn hide(&self, limit: u64) -> Value {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(usize::try_from(limit).unwrap_or(1));
        let mut messages = Vec::new();
        for mut message in waiting.drain(..count) {
            message.received += 1;
            let receipt = format!("{} of {}", message.received, message.id);
            messages.push(json!({
                "MessageId": message.id, "ReceiptHandle": receipt, "Body": message.body,
                "Attributes": {"ApproximateReceiveCount": message.received.to_string()},
            }));
            self.hidden.lock().insert(receipt, message);
        }
        json!({ "Messages": messages })
    }

    /// Deletes messages, or gives them back.
    fn settle(&self, entries: &[Value], back: bool) -> Value {
        let mut settled = Vec::new();
        for entry in entries {
            let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
            if let Some(message) = self.hidden.lock().remove(receipt)
                && back
            {
                self.waiting.lock().push_back(message);
            }
            settled.push(json!({ "Id": entry["Id"] }));
        }
        json!({ "Successful": settled, "Failed": [] })
    }

    fn add(&self, body: String) -> String {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let id = format!("00000000-0000-4000-9000-{number:012}");
        self.waiting.lock().push_back(Message {
            id: id.clone(),
            body,
            received: 0,
        });
        id
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let target = request.headers().get("x-amz-target").cloned();
    let target = target.and_then(|target| target.to_str().map(str::to_owned).ok());
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return refused("InvalidRequest"),
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let entries = body["Entries"].as_array().cloned().unwrap_or_default();
    if entries.len() > 10 {
        return refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
    }
    let operation = target
        .as_deref()
        .and_then(|target| target.strip_prefix(SERVICE));
    let done = match operation {
        Some("SendMessageBatch") => {
            let bodies = || {
                entries
                    .iter()
                    .filter_map(|entry| entry["MessageBody"].as_str())
            };
            if bodies().map(str::len).sum::<usize>() > MAX_BYTES {
                return refused("AWS.SimpleQueueService.BatchRequestTooLong");
            }
            if !bodies().flat_map(str::chars).all(is_taken) {
                return refused("InvalidMessageContents");
            }
            let sent = |entry: &Value| {
                let body = entry["MessageBody"].as_str().unwrap_or_default();
                json!({
                    "Id": entry["Id"],
                    "MessageId": state.add(body.to_owned()),
                    "MD5OfMessageBody": "00000000000000000000000000000000",
                })
            };
            let sent: Vec<Value> = entries.iter().map(sent).collect();
            json!({ "Successful": sent, "Failed": [] })
        }
        Some("ReceiveMessage") => state.hide(body["MaxNumberOfMessages"].as_u64().unwrap_or(1)),
        Some("DeleteMessageBatch") => state.settle(&entries, false),
        Some("ChangeMessageVisibilityBatch") => state.settle(&entries, true),
        Some("GetQueueAttributes") => json!({ "Attributes": {
            "ApproximateNumberOfMessages": state.waiting.lock().len().to_string(),
            "VisibilityTimeout": "1800",
        } }),
        _ => return refused("InvalidAction"),
    };
    document(StatusCode::OK, &done)
}

/// Whether a message may have that character.
fn is_taken(character: char) -> bool {
    let is_control = character < ' ' && !['\t', '\n', '\r'].contains(&character);
    !is_control && !['\u{fffe}', '\u{ffff}'].contains(&character)
}

fn refused(kind: &str) -> Response<Full<Bytes>> {
    document(StatusCode::BAD_REQUEST, &json!({ "__type": kind }))
}

fn document(status: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(document.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_that_failed_comes_again() -> Result<()> {
        let queue = Queue::start().await?;
        queue.send("a");
        queue.send("b");
        let batch = queue.receive(10).expect("there are two");
        let event = batch.event();
        assert_eq!(event["Records"][0]["body"], "a");
        let failed = json!({ "batchItemFailures": [
            { "itemIdentifier": event["Records"][1]["messageId"] }
        ] });
        assert_eq!(queue.settle(batch, &failed), 1);
        let again = queue.receive(10).expect("one is back").event();
        assert_eq!(again["Records"][0]["body"], "b");
        let count = &again["Records"][0]["attributes"]["ApproximateReceiveCount"];
        assert_eq!(count, "2");
        assert!(queue.receive(10).is_none());
        Ok(())
    }
}
