//! What the clients of AWS' services share: credentials, region and endpoint as the environment
//! says, one HTTP client, timeouts and retries.

use aws_config::SdkConfig;
use aws_smithy_http_client::tls;
use std::time::Duration;

/// How long one attempt of a request may take until its headers are there.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request may take with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// Reads the environment.
pub async fn config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .load()
        .await
}

/// Services on this machine, whatever the environment says.
#[cfg(feature = "local")]
pub fn local(endpoint: &str, access_key_id: &str, secret: &str) -> SdkConfig {
    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    let credentials = Credentials::new(access_key_id, secret, None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static(crate::local::REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}
