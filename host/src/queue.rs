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
        for work in work.chunks(MESSAGES_AT_ONCE) {
            self.send_together(work).await?;
        }
        Ok(())
    }

    /// Sends a full sync that is to go on.
    pub async fn send_sync(&self, request: &SyncRequest) -> Result<(), QueueError> {
        self.send_together(&[serde_json::json!({ "sync": request })])
            .await
    }

    async fn send_together(&self, work: &[impl Serialize]) -> Result<(), QueueError> {
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (place, work) in work.iter().enumerate() {
            let body = serde_json::to_string(work).map_err(|error| self.error(&error))?;
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
                work.len(),
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
