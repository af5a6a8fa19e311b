//! A host in this process, for tests that need many of them or look inside.

use std::sync::Arc;

use anyhow::Result;

use super::s3::{ACCESS_KEY_ID, S3, SECRET_ACCESS_KEY};
use crate::{aws, pipeline::Pipeline, settings::Settings};

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
    let aws = aws::local(s3.endpoint(), ACCESS_KEY_ID, SECRET_ACCESS_KEY);
    Ok(Arc::new(Pipeline::with_aws(settings, &aws)?))
}
