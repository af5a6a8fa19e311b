//! Why something could not be read from S3, or written to it.

use super::SizeLimit;
use crate::aws;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is larger than what is read.
    #[error("`{key}` has {size} bytes, more than {limit}")]
    TooLarge {
        /// Its key.
        key: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: SizeLimit,
    },
    /// It goes on after what is read, and S3 did not say that it would.
    #[error("`{key}` does not end after {limit}")]
    Endless {
        /// Its key.
        key: String,
        /// The limit.
        limit: SizeLimit,
    },
    /// S3 refuses to hand it out.
    #[error(
        "access to `{key}` is denied ({why}): the function's role needs s3:GetObject on it, s3:ListBucket on the bucket (without it a missing object looks the same), and kms:Decrypt where it is encrypted"
    )]
    Denied {
        /// Its key.
        key: String,
        /// S3's error code, and what it says.
        why: String,
    },
    /// S3 refuses to list the bucket, or to take an object.
    #[error("S3 does not let the function {action} `{key}` ({why}): its role needs {permission}")]
    Forbidden {
        /// What was tried.
        action: &'static str,
        /// The key or prefix.
        key: String,
        /// S3's error code, and what it says.
        why: String,
        /// The missing permission.
        permission: &'static str,
    },
    /// There is no bucket of that name.
    #[error("the bucket `{0}` does not exist")]
    NoBucket(String),
    /// It is in an archive tier.
    #[error("`{key}` is archived and must be restored before it can be read")]
    Archived {
        /// Its key.
        key: String,
    },
    /// It is encrypted with a key that S3 does not have: SSE-C.
    #[error(
        "`{key}` is encrypted with a key that its writer keeps (SSE-C), which Redis Sync does not have: write it with SSE-S3 or SSE-KMS"
    )]
    CustomerKey {
        /// Its key.
        key: String,
    },
    /// Its KMS key cannot be used.
    #[error(
        "`{key}` cannot be decrypted ({why}): the function's role needs kms:Decrypt on its KMS key, and that key must be enabled"
    )]
    KmsKey {
        /// Its key.
        key: String,
        /// S3's error code, and what it says.
        why: String,
    },
    /// The bucket is somewhere else.
    #[error("the bucket `{bucket}` is in another region than AWS_REGION says ({why})")]
    WrongRegion {
        /// Name of the bucket.
        bucket: String,
        /// S3's error code, and what it says.
        why: String,
    },
    /// S3 does not answer, or answers with an error that a later attempt may not meet.
    #[error("S3 cannot {action} `{key}`: {cause}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// The key or prefix.
        key: String,
        /// What S3 says, or each cause of the SDK's error once.
        cause: String,
    },
}

impl StoreError {
    /// Refuses an object that is larger than what is read.
    pub(crate) fn check_size(key: &str, size: u64, limit: SizeLimit) -> Result<(), Self> {
        if size <= limit.bytes {
            return Ok(());
        }
        let key = key.to_owned();
        Err(Self::TooLarge { key, size, limit })
    }
}

/// What S3 says of an object under SSE-C that is read without its key, among other words.
const SSE_C: &str = "Server Side Encryption";

/// What was asked of S3.
pub(super) struct Request<'a> {
    /// Name of the bucket.
    pub(super) bucket: &'a str,
    /// What is done: `read`, `list` or `write`.
    pub(super) action: &'static str,
    /// The key or prefix.
    pub(super) key: &'a str,
}

impl Request<'_> {
    /// A failure that a later attempt may not meet.
    pub(super) fn unavailable(&self, cause: String) -> StoreError {
        StoreError::Unavailable {
            action: self.action,
            key: self.key.to_owned(),
            cause,
        }
    }

    /// What an error of the SDK says about this request.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let (key, why) = (self.key.to_owned(), aws::explained(error));
        let words = error.message().unwrap_or_default();
        match (status(error), error.code().unwrap_or_default()) {
            (_, "NoSuchBucket") => StoreError::NoBucket(self.bucket.to_owned()),
            (_, "InvalidObjectState") => StoreError::Archived { key },
            (Some(400), "InvalidRequest") if words.contains(SSE_C) => {
                StoreError::CustomerKey { key }
            }
            (_, code) if code.starts_with("KMS.") => StoreError::KmsKey { key, why },
            (Some(403), _) if words.contains("kms:") => StoreError::KmsKey { key, why },
            (Some(301), _) | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
                StoreError::WrongRegion {
                    bucket: self.bucket.to_owned(),
                    why,
                }
            }
            (Some(403), _) => self.denied(why),
            _ => self.unavailable(why),
        }
    }

    fn denied(&self, why: String) -> StoreError {
        let key = self.key.to_owned();
        let permission = match self.action {
            "list" => "s3:ListBucket on the bucket",
            "write" => "s3:PutObject on it",
            _ => return StoreError::Denied { key, why },
        };
        StoreError::Forbidden {
            action: self.action,
            key,
            why,
            permission,
        }
    }
}

/// Whether S3 says that there is no such object: with the code for that, or, where the bucket is
/// versioned and the object deleted, with the header of a delete marker. Any other 404 comes from
/// somebody who does not know, a proxy or a wrong endpoint, and is no deletion.
pub(super) fn is_missing<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    let marker = error
        .raw_response()
        .and_then(|response| response.headers().get("x-amz-delete-marker"));
    status(error) == Some(404) && (error.code() == Some("NoSuchKey") || marker == Some("true"))
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    let response = error.raw_response()?;
    Some(response.status().as_u16())
}
