//! The function's own queue, and the only place that speaks SQS.

use crate::aws;
use crate::event::SyncRequest;
use crate::work::Work;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::Serialize;

/// Messages in one request: the most that SQS takes.
pub const MESSAGES_AT_ONCE: usize = 10;

/// Bytes of messages in one request: what SQS has always taken, and still takes where a queue's `MaximumMessageSize`
/// was left as it was. A message of ours is smaller.
const BYTES_AT_ONCE: usize = 256 << 10;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The SDK's client; cheap to clone.
    client: Client,
    /// The queue's URL.
    url: String,
}

/// Why messages could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("SQS cannot send to {url}: {cause}")]
pub struct QueueError {
    /// The queue's URL.
    url: String,
    /// What SQS or the SDK says.
    cause: String,
}

impl Queue {
    /// Sets up a client.
    pub fn new(config: &SdkConfig, url: &str) -> Self {
        Self {
            client: Client::new(config),
            url: url.to_owned(),
        }
    }

    /// Sends all of it, a message each. After an error a part may have been sent: sending that
    /// again does no harm.
    pub async fn send(&self, work: &[Work]) -> Result<(), QueueError> {
        let bodies = work.iter().map(|work| self.body(work));
        let mut rest = bodies.collect::<Result<Vec<String>, QueueError>>()?;
        while !rest.is_empty() {
            let later = rest.split_off(fitting(&rest));
            self.send_together(rest).await?;
            rest = later;
        }
        Ok(())
    }

    /// Sends a full sync that is to go on.
    pub async fn send_sync(&self, request: &SyncRequest) -> Result<(), QueueError> {
        let body = self.body(&serde_json::json!({ "sync": request }))?;
        self.send_together(vec![body]).await
    }

    fn body(&self, message: &impl Serialize) -> Result<String, QueueError> {
        let json = serde_json::to_string(message).map_err(|error| self.error(&error))?;
        Ok(sendable(&json))
    }

    async fn send_together(&self, bodies: Vec<String>) -> Result<(), QueueError> {
        let all = bodies.len();
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (place, body) in bodies.into_iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(body)
                .build()
                .map_err(|error| self.error(&error))?;
            request = request.entries(entry);
        }
        let sent = request
            .send()
            .await
            .map_err(|error| self.error(&aws::explained(&error)))?;
        match sent.failed().first() {
            None => Ok(()),
            Some(failed) => Err(self.error(&format!(
                "{} of {} messages are refused: {}",
                sent.failed().len(),
                all,
                failed.message().unwrap_or(failed.code())
            ))),
        }
    }

    fn error(&self, cause: &dyn std::fmt::Display) -> QueueError {
        QueueError {
            url: self.url.clone(),
            cause: cause.to_string(),
        }
    }
}

/// How many of these, from the first, are one request: one at the least.
fn fitting(bodies: &[String]) -> usize {
    let mut bytes = 0;
    let fits = |body: &&String| {
        bytes += body.len();
        bytes <= BYTES_AT_ONCE
    };
    let fitting = bodies.iter().take(MESSAGES_AT_ONCE).take_while(fits);
    fitting.count().max(1)
}

/// The same JSON without the characters that SQS refuses in a message and JSON does not escape of itself (Amazon SQS
/// API reference, `SendMessage`: `#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF`). They can
/// only be within a text.
fn sendable(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe")
        .replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_out_of_what_sqs_takes() {
        let all = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
        let work = Work {
            bucket: "b".to_owned(),
            keys: vec![all.collect()],
            force: false,
        };
        let body = sendable(&serde_json::to_string(&work).unwrap());
        let is_taken = |character: char| {
            matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}')
                || matches!(character, '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        };
        assert!(body.chars().all(is_taken));
        assert_eq!(serde_json::from_str::<Work>(&body).unwrap(), work);
    }

    #[test]
    fn a_request_has_as_many_messages_as_sqs_takes_and_no_more_bytes() {
        let bodies = |count, bytes| vec!["x".repeat(bytes); count];
        assert_eq!(fitting(&bodies(25, 1000)), 10);
        assert_eq!(fitting(&bodies(3, 1000)), 3);
        assert_eq!(fitting(&bodies(10, BYTES_AT_ONCE / 10)), 10);
        assert_eq!(fitting(&bodies(10, BYTES_AT_ONCE / 10 + 1)), 9);
        assert_eq!(fitting(&bodies(10, BYTES_AT_ONCE + 1)), 1);
    }
}
