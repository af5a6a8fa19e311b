//! A host in this process, for tests that need many of them or look inside.

use anyhow::Result;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use redis_sync::{pipeline::Pipeline, settings::Settings};
use redis_sync_local::{ACCESS_KEY_ID, REGION, S3, SECRET_ACCESS_KEY};
use std::sync::Arc;

/// Sets up what a function works with, from its variables alone.
///
/// # Errors
///
/// The variables are not complete, or the sandbox cannot be set up.
pub fn host(s3: &S3, variables: &[(String, String)]) -> Result<Arc<Pipeline>> {
    let settings = Settings::read(|name| {
        let variable = variables.iter().rev().find(|(known, _)| known == name);
        variable.map(|(_, value)| value.clone())
    })?;
    Ok(Arc::new(Pipeline::with_aws(settings, &aws(s3))?))
}

/// A configuration that leads to the local S3, whatever the environment says.
fn aws(s3: &S3) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(s3.endpoint())
        .build()
}
