//! The bucket, and the only place that speaks S3.
//!
//! Reads are of the current state: no condition, no version. The ticket taken before them is what
//! makes that safe, and S3's strong consistency what makes it enough.

mod limit;

pub use limit::SizeLimit;

use crate::aws;
use crate::object::Object;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::EncodingType;
use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use std::time::Duration;

/// How often a read is repeated when its body breaks off. The SDK repeats only what fails before
/// the body.
const BODY_ATTEMPTS: u32 = 3;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The bucket.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SDK's client; cheap to clone.
    client: Client,
    /// Name of the bucket.
    bucket: String,
}

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
    /// It is in an archive tier.
    #[error("`{key}` is archived and must be restored before it can be read")]
    Archived {
        /// Its key.
        key: String,
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

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Entity tag, without the quotes.
    pub etag: String,
    /// Milliseconds since the Unix epoch.
    pub last_modified: u64,
}

/// One page of a listing, in the order of the keys' bytes.
#[derive(Clone, Debug)]
pub struct Page {
    /// The objects.
    pub objects: Vec<Listed>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<String>,
}

impl Store {
    /// Sets up a client.
    pub fn new(config: &SdkConfig, bucket: &str, force_path_style: bool) -> Self {
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(force_path_style)
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: bucket.to_owned(),
        }
    }

    /// Name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Reads an object; `None` where there is none. `limit` is checked before and while reading.
    pub async fn object(
        &self,
        key: &str,
        limit: impl Into<SizeLimit>,
    ) -> Result<Option<Object>, StoreError> {
        let limit = limit.into();
        let mut attempt = 1;
        loop {
            let Some(output) = self.get(key).await? else {
                return Ok(None);
            };
            let object = self.head(key, &output);
            match read_body(key, output, limit).await {
                Ok(body) => return Ok(Some(Object { body, ..object })),
                Err(StoreError::Unavailable { cause, .. }) if attempt < BODY_ATTEMPTS => {
                    tracing::warn!(
                        object = key,
                        attempt,
                        cause,
                        "the body broke off, reading again"
                    );
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads one page of a listing.
    pub async fn list(&self, prefix: &str, from: Option<String>) -> Result<Page, StoreError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix);
        let output = request
            .encoding_type(EncodingType::Url)
            .set_continuation_token(from)
            .send()
            .await;
        let output = output.map_err(|error| failed("list", prefix, &error))?;
        let encoded = output.encoding_type == Some(EncodingType::Url);
        let objects = output
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| {
                let key = object.key?;
                Some(Listed {
                    key: if encoded { decode(&key) } else { key },
                    etag: unquoted(object.e_tag.as_deref()),
                    last_modified: milliseconds(object.last_modified.as_ref()),
                })
            });
        let objects = objects.collect();
        Ok(Page {
            objects,
            next: output.next_continuation_token,
        })
    }

    /// Every object under a prefix.
    pub async fn list_all(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let (mut objects, mut from) = (Vec::new(), None);
        loop {
            let page = self.list(prefix, from).await?;
            objects.extend(page.objects);
            from = page.next;
            if from.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Writes an object.
    pub async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), StoreError> {
        // An attempt ends with the answer, which comes after the whole body.
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .operation_attempt_timeout(BODY_TIMEOUT)
            .operation_timeout(BODY_TIMEOUT)
            .build();
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(body.into())
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed("write", key, &error)),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<GetObjectOutput>, StoreError> {
        match self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(output) => Ok(Some(output)),
            Err(error) => missing_or_error(key, &error),
        }
    }

    fn head(&self, key: &str, output: &GetObjectOutput) -> Object {
        let mut metadata: Vec<(String, String)> = output
            .metadata
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        metadata.sort();
        Object {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            etag: unquoted(output.e_tag()),
            version_id: output.version_id().map(str::to_owned),
            last_modified: milliseconds(output.last_modified()),
            content_type: output.content_type().map(str::to_owned),
            metadata,
            body: Bytes::new(),
        }
    }
}

/// Tells a missing object from an error. A delete marker is a 404 as well.
fn missing_or_error<T, E>(
    key: &str,
    error: &SdkError<E, HttpResponse>,
) -> Result<Option<T>, StoreError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let code = error.code().unwrap_or_default();
    match (status, code) {
        (_, "NoSuchBucket") => Err(failed("read", key, error)),
        (Some(404), _) => Ok(None),
        (_, "InvalidObjectState") => Err(StoreError::Archived {
            key: key.to_owned(),
        }),
        (Some(403), _) => Err(StoreError::Denied {
            key: key.to_owned(),
            why: aws::explained(error),
        }),
        _ => Err(failed("read", key, error)),
    }
}

async fn read_body(
    key: &str,
    output: GetObjectOutput,
    limit: SizeLimit,
) -> Result<Bytes, StoreError> {
    let announced = output
        .content_length()
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or(0);
    if announced > limit.bytes {
        return Err(StoreError::TooLarge {
            key: key.to_owned(),
            size: announced,
            limit,
        });
    }
    let read = collect(key, output.body, announced, limit);
    let body = tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .map_err(|_| {
            let cause = format!("the body took more than {} s", BODY_TIMEOUT.as_secs());
            unavailable("read", key, cause)
        })??;
    if size(&body) < announced {
        return Err(unavailable(
            "read",
            key,
            "the body ended too early".to_owned(),
        ));
    }
    Ok(body)
}

/// Reads a body to its end, which may come later than was announced, or not at all.
async fn collect(
    key: &str,
    mut stream: ByteStream,
    announced: u64,
    limit: SizeLimit,
) -> Result<Bytes, StoreError> {
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| unavailable("read", key, aws::chain(&error)))?;
        if size(&body) + size(&chunk) > limit.bytes {
            let key = key.to_owned();
            return Err(StoreError::Endless { key, limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn failed<E>(action: &'static str, key: &str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    unavailable(action, key, aws::explained(error))
}

fn unavailable(action: &'static str, key: &str, cause: String) -> StoreError {
    StoreError::Unavailable {
        action,
        key: key.to_owned(),
        cause,
    }
}

/// Decodes a key of a listing with `encoding-type=url`: form-urlencoded, as in notifications.
fn decode(key: &str) -> String {
    percent_decode_str(&key.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn milliseconds(time: Option<&DateTime>) -> u64 {
    time.and_then(|time| time.to_millis().ok())
        .and_then(|millis| u64::try_from(millis).ok())
        .unwrap_or(0)
}
