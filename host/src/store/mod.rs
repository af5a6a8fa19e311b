//! The bucket, and the only place that speaks S3.
//!
//! Reads are of the current state: no condition, no version. The ticket taken before them is what
//! makes that safe, and S3's strong consistency what makes it enough.

mod body;
mod error;
mod limit;

pub use error::StoreError;
pub use limit::SizeLimit;

use crate::budget::Account;
use crate::key;
use crate::object::Object;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::EncodingType;
use body::BODY_TIMEOUT;
use bytes::Bytes;
use error::Request;

/// How often a read is repeated when its body breaks off. The SDK repeats only what fails before
/// the body.
const BODY_ATTEMPTS: u32 = 3;

/// The bucket.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SDK's client; cheap to clone.
    client: Client,
    /// Name of the bucket.
    bucket: String,
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

    /// Reads an object; `None` where there is none. `limit` is checked before and while reading, and
    /// memory for its body is taken before.
    pub async fn object(
        &self,
        key: &str,
        limit: impl Into<SizeLimit>,
        account: &Account,
    ) -> Result<Option<Object>, StoreError> {
        let limit = limit.into();
        let (mut attempt, mut held) = (1, account.take(0).await);
        loop {
            let Some(output) = self.get(key).await? else {
                return Ok(None);
            };
            let size = body::announced(key, &output, limit)?;
            let more = size.unwrap_or(limit.bytes).saturating_sub(held.bytes());
            let Some(taken) = account.try_take(more) else {
                // S3 breaks off an answer that nobody reads: it is asked again when there is room.
                drop(output);
                held.join(account.take(more).await);
                continue;
            };
            held.join(taken);
            let object = self.head(key, &output);
            match body::read(&self.request("read", key), output, size, limit).await {
                Ok(body) => {
                    let body = held.keep(body);
                    return Ok(Some(Object { body, ..object }));
                }
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

    /// Reads one page of a listing: the first without a token.
    pub async fn list(&self, prefix: &str, from: Option<String>) -> Result<Page, StoreError> {
        self.list_after(prefix, None, from).await
    }

    /// The same of the objects after a key.
    pub async fn list_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        from: Option<String>,
    ) -> Result<Page, StoreError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix);
        let output = request
            .encoding_type(EncodingType::Url)
            .set_start_after(after.filter(|_| from.is_none()).map(str::to_owned))
            .set_continuation_token(from)
            .send()
            .await;
        let output = output.map_err(|error| self.request("list", prefix).failed(&error))?;
        let encoded = output.encoding_type == Some(EncodingType::Url);
        let objects = output
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| {
                Some(Listed {
                    key: listed_key(object.key?, encoded)?,
                    etag: unquoted(object.e_tag.as_deref()),
                    last_modified: milliseconds(object.last_modified.as_ref()),
                })
            })
            .collect();
        Ok(Page {
            objects,
            next: output.next_continuation_token,
        })
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
            Err(error) => Err(self.request("write", key).failed(&error)),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<GetObjectOutput>, StoreError> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        match request.send().await {
            Ok(output) => Ok(Some(output)),
            Err(error) if error::is_missing(&error) => Ok(None),
            Err(error) => Err(self.request("read", key).failed(&error)),
        }
    }

    fn request<'a>(&'a self, action: &'static str, key: &'a str) -> Request<'a> {
        Request {
            bucket: &self.bucket,
            action,
            key,
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

/// A key of a listing; `None` where it cannot be read, which is told and left out: no event could
/// name that object either.
fn listed_key(key: String, encoded: bool) -> Option<String> {
    if !encoded {
        return Some(key);
    }
    key::from_form(&key)
        .inspect_err(|why| tracing::warn!(error = why, "a listed key is left out"))
        .ok()
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn milliseconds(time: Option<&DateTime>) -> u64 {
    time.and_then(|time| time.to_millis().ok())
        .and_then(|millis| u64::try_from(millis).ok())
        .unwrap_or(0)
}
