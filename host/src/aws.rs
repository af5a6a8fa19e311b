//! What the clients of AWS' services share: credentials, region and endpoint as the environment
//! says, one HTTP client, timeouts and retries.

use crate::text::clip;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_smithy_http_client::tls;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use std::time::Duration;

/// How long one attempt of a request may take until its headers are there.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a request is sent that has no answer, or one that may be another the next time.
const ATTEMPTS: u32 = 3;

/// How long a request may take with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection is used again. A function that was frozen for longer makes a new one: what was
/// open before may have been forgotten by every router on the way, which nobody tells it.
const IDLE: Duration = Duration::from_secs(10);

/// Reads the environment.
pub async fn config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(IDLE)
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        .load()
        .await
}

/// Why a service has not done what it was asked for: its own words where it has answered, and
/// otherwise each cause once.
pub fn explained(error: &(impl Error + ProvideErrorMetadata)) -> String {
    let words = match (error.code(), error.message()) {
        (None, None) => return chain(error),
        (Some(code), None) => code.to_owned(),
        (None, Some(message)) => message.to_owned(),
        (Some(code), Some(message)) => format!("{code}: {message}"),
    };
    clip(&words).to_owned()
}

/// An error and what is behind it, each cause once: many print the next one themselves.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    clip(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Cause {
        words: &'static str,
        #[source]
        behind: Option<Box<Self>>,
    }

    fn cause(words: &'static str, behind: Option<Cause>) -> Cause {
        let behind = behind.map(Box::new);
        Cause { words, behind }
    }

    #[test]
    fn a_chain_has_each_cause_once() {
        let refused = cause("connection refused", None);
        let connect = cause("connect: connection refused", Some(refused));
        let dispatch = cause("dispatch failure", Some(connect));
        assert_eq!(
            chain(&dispatch),
            "dispatch failure: connect: connection refused"
        );
    }
}
