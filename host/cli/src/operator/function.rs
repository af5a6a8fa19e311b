//! The deployed function, invoked.

use super::reach::what_next;
use crate::problem::problem;
use anyhow::Result;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use redis_sync::aws::explained;
use serde_json::Value;
use std::time::Duration;

/// The longest that an invocation takes.
const LONGEST: Duration = Duration::from_mins(16);

/// Where to look for what the function does not say.
const LOG: &str = "its log says more: `aws logs tail` of its log group";

/// A deployed function.
pub(crate) struct Function {
    client: Client,
    name: String,
}

impl Function {
    pub(super) async fn new(name: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(LONGEST)
            .operation_attempt_timeout(LONGEST)
            .operation_timeout(LONGEST)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(&redis_sync::aws::config().await)
            // An invocation that is not answered may still be running.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self {
            client: Client::from_conf(config),
            name: name.to_owned(),
        }
    }

    /// What the function answers.
    pub(super) async fn invoke(&self, operation: &Value) -> Result<Value> {
        let name = &self.name;
        let payload = Blob::new(operation.to_string());
        let invoked = self.client.invoke().function_name(name).payload(payload);
        let output = invoked.send().await.map_err(|error| {
            problem(
                format!("the function `{name}` cannot be invoked: {}", explained(&error)),
                "it needs lambda:InvokeFunction on it, AWS_REGION, and credentials: `aws sts get-caller-identity`",
            )
        })?;
        let answer = output.payload.map(Blob::into_inner).unwrap_or_default();
        let answer: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        if output.function_error.is_some() {
            let said = answer["errorMessage"].as_str();
            return Err(problem(
                format!(
                    "the function `{name}` fails: {}",
                    said.unwrap_or("it says nothing")
                ),
                what_next(answer["errorType"].as_str().unwrap_or_default(), LOG),
            ));
        }
        Ok(answer)
    }
}
