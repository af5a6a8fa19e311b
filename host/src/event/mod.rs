//! What an invocation delivered, recognised from the payload alone.
//!
//! Pure: text in, changed keys out. A change says only that a key *may* have changed; what the
//! object is now is always read from S3 after the ticket, so neither the order of the events nor
//! what they say about the object matters. Who has put an object is noted where it is told.

mod batch;
mod change;
mod failed;
#[cfg(test)]
mod generated_tests;
mod is_there;
mod notification;
mod operation;
mod origin;
mod problem;
mod queue;

pub use batch::{BatchJob, BatchTask};
pub use change::{Change, Delivery};
pub use operation::{Chain, ForgetRequest, Operation, PreviewRequest, SyncRequest};
pub use origin::{Author, Origin, Origins};
pub use problem::{EventError, Problems};
pub use queue::Message;

use is_there::IsThere;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What an invocation asks for; each variant has its own form of answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// S3, SNS or EventBridge called: a report, or an error after every change was tried.
    /// No change at all (a test event, say) is fine.
    Notification(Delivery),
    /// SQS delivered a batch: the failed messages are named.
    Queue {
        /// The messages, in order.
        messages: Vec<Message>,
        /// Whether order matters: the first failure fails all that follow.
        fifo: bool,
    },
    /// S3 Batch Operations: a result a task.
    Batch(BatchJob),
    /// A direct call by an operator.
    Operation(Operation),
}

/// The members that tell the channels apart.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<First<'a>>,
    #[serde(rename = "invocationSchemaVersion")]
    batch: Option<IgnoredAny>,
    #[serde(default)]
    read: IsThere,
    #[serde(default)]
    sync: IsThere,
    #[serde(default)]
    explain: IsThere,
    #[serde(default)]
    status: IsThere,
    #[serde(default)]
    forget: IsThere,
    #[serde(default)]
    preview: IsThere,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(rename = "detail-type", borrow)]
    detail_type: Option<Cow<'a, str>>,
}

/// The first element of an array, which may have millions.
struct First<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = First<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<First<'de>, A::Error> {
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

/// A record's source: `eventSource`, or `EventSource` as SNS writes it.
#[derive(Deserialize)]
struct Source {
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: Option<String>,
}

/// Recognises a payload. What an on-failure destination keeps of a failed invocation is its payload again.
pub fn classify(payload: &str) -> Result<Event, EventError> {
    let payload = failed::unwrapped(payload)?.text;
    let envelope = serde_json::from_str(&payload).map_err(|_| EventError::Unknown)?;
    recognised(&payload, envelope)
}

/// Whether it is what an on-failure destination keeps of a failed invocation, sent again.
pub fn is_sent_again(payload: &str) -> bool {
    failed::unwrapped(payload).is_ok_and(|payload| payload.has_failed)
}

fn recognised(payload: &str, envelope: Envelope<'_>) -> Result<Event, EventError> {
    if envelope.batch.is_some() {
        return batch::parse(payload).map(Event::Batch);
    }
    let operations = [
        envelope.read,
        envelope.sync,
        envelope.explain,
        envelope.status,
        envelope.forget,
        envelope.preview,
    ];
    if operations.iter().any(|IsThere(is_there)| *is_there) {
        return operation::parse(payload).map(Event::Operation);
    }
    let (source, detail_type) = (envelope.source.as_deref(), envelope.detail_type.as_deref());
    if operation::is_schedule(source, detail_type) {
        return Ok(Event::Operation(Operation::Sync(SyncRequest::scheduled())));
    }
    let first = envelope.records.and_then(|First(record)| record);
    if first.and_then(source_of).as_deref() == Some("aws:sqs") {
        return queue::parse(payload).map(|(messages, fifo)| Event::Queue { messages, fifo });
    }
    notification::parse(payload).map(Event::Notification)
}

fn source_of(record: &RawValue) -> Option<String> {
    serde_json::from_str::<Source>(record.get()).ok()?.source
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_known_is_refused_with_what_was_expected() {
        for payload in [
            "{}",
            "[]",
            "null",
            "7",
            "\"x\"",
            "{\"hello\": 1}",
            "not json",
            "",
        ] {
            let error = classify(payload).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("expected an S3, SNS, SQS or EventBridge event"),
                "{payload}: {error}"
            );
        }
    }

    #[test]
    fn a_schedule_is_a_strict_sync_and_a_failed_invocation_its_payload() {
        let sync = |request| Event::Operation(Operation::Sync(request));
        let schedule =
            r#"{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}"#;
        assert_eq!(classify(schedule), Ok(sync(SyncRequest::scheduled())));
        let scheduler = r#"{"version":"0","source":"aws.scheduler","detail-type":"Scheduled Event","detail":"{}"}"#;
        assert_eq!(classify(scheduler), Ok(sync(SyncRequest::scheduled())));
        let envelope = |payload: &str| {
            format!(
                r#"{{"version":"1.0","requestContext":{{"condition":"RetriesExhausted"}},"requestPayload":{payload}}}"#
            )
        };
        assert_eq!(classify(&envelope(schedule)), classify(schedule));
        let event = r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
        assert_eq!(classify(&envelope(event)), classify(event));
        assert_eq!(
            classify(&envelope(&envelope(event))),
            classify(event),
            "sent again, and failed again"
        );
        let endless = (0..1000).fold(event.to_owned(), |inner, _| envelope(&inner));
        assert!(classify(&endless).is_err());
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in ".{0,200}") {
            let _ = classify(&payload);
        }
    }
}
