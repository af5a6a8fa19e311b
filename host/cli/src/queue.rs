//! A queue with events that failed, and the only place of this program that speaks SQS.

use crate::problem::problem;
use anyhow::Result;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use redis_sync::aws::explained;
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

/// Messages that are received together: the most that SQS gives.
pub(crate) const AT_ONCE: i32 = 10;

/// How long a receive waits for messages, in seconds: long enough that SQS asks all of its servers.
const WAIT_SECONDS: i32 = 2;

/// How long what was received is hidden from others, in seconds: longer than an invocation takes.
const HIDDEN_SECONDS: i32 = 1000;

/// A queue.
pub(crate) struct Queue {
    client: Client,
    url: String,
}

/// A message that was received.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    /// What it is deleted, or given back, by.
    receipt: String,
}

impl Queue {
    pub(crate) async fn new(url: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .operation_timeout(Duration::from_secs(90))
            .build();
        let config = aws_sdk_sqs::config::Builder::from(&redis_sync::aws::config().await)
            .timeout_config(timeouts)
            .build();
        Self {
            client: Client::from_conf(config),
            url: url.to_owned(),
        }
    }

    /// Some messages, which others do not see for a while; none where there are none.
    pub(crate) async fn receive(&self) -> Result<Vec<Message>> {
        let request = self.client.receive_message().queue_url(&self.url);
        let received = request
            .max_number_of_messages(AT_ONCE)
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(HIDDEN_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| self.failed("received from", &error))?;
        let known = |message: aws_sdk_sqs::types::Message| {
            Some(Message {
                id: message.message_id?,
                body: message.body?,
                receipt: message.receipt_handle?,
            })
        };
        let messages = received.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(known).collect())
    }

    /// Deletes messages for good.
    pub(crate) async fn delete(&self, messages: &[Message]) -> Result<()> {
        for messages in messages.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let mut request = self.client.delete_message_batch().queue_url(&self.url);
            for message in messages {
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(&message.id)
                    .receipt_handle(&message.receipt)
                    .build()?;
                request = request.entries(entry);
            }
            let deleted = request.send().await;
            let deleted = deleted.map_err(|error| self.failed("deleted from", &error))?;
            if let Some(failed) = deleted.failed().first() {
                let why = failed.message().unwrap_or(failed.code());
                return Err(problem(
                    format!(
                        "{} messages are handled, and cannot be deleted from {}: {why}",
                        deleted.failed().len(),
                        self.url
                    ),
                    "they do no harm where they are handled again",
                ));
            }
        }
        Ok(())
    }

    /// Lets others see messages again.
    pub(crate) async fn give_back(&self, messages: &[Message]) -> Result<()> {
        for messages in messages.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let mut request = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url);
            for message in messages {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(&message.id)
                    .receipt_handle(&message.receipt)
                    .visibility_timeout(0)
                    .build()?;
                request = request.entries(entry);
            }
            // Those that this does not reach are seen again by themselves.
            request
                .send()
                .await
                .map_err(|error| self.failed("given back to", &error))?;
        }
        Ok(())
    }

    /// What the queue says of itself.
    pub(crate) async fn attributes(&self) -> Result<HashMap<String, String>> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request
            .attribute_names(QueueAttributeName::All)
            .send()
            .await;
        let answer = answer.map_err(|error| self.failed("asked of", &error))?;
        let attributes = answer.attributes.unwrap_or_default().into_iter();
        Ok(attributes
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect())
    }

    fn failed(&self, what: &str, error: &(impl Error + ProvideErrorMetadata)) -> anyhow::Error {
        let error = explained(error);
        problem(
            format!("nothing can be {what} {}: {error}", self.url),
            "it needs AWS_REGION, credentials (`aws sts get-caller-identity`), and sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes",
        )
    }
}
