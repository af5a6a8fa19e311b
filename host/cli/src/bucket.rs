//! The bucket, for those who change what is in it: conditional writes and earlier versions. The only
//! place of this program that speaks S3 itself.

use crate::problem::{Advise, problem};
use anyhow::Result;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use bytes::Bytes;
use redis_sync::aws::explained;
use redis_sync::object::Object;
use redis_sync::settings::Settings;
use std::error::Error;
use std::time::Duration;

/// The longest that a request takes: a module has many MiB.
const LONGEST: Duration = Duration::from_mins(5);

/// What to do about an error.
const NEXT: &str = "it needs AWS_REGION, credentials (`aws sts get-caller-identity`), and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket";

/// The bucket that the function has.
pub(crate) struct Bucket {
    client: Client,
    pub(crate) name: String,
    /// Prefix of the plugins' keys.
    pub(crate) plugins_prefix: String,
}

/// What a write must find.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before<'a> {
    /// Nothing.
    Nothing,
    /// An object with this entity tag.
    Etag(&'a str),
}

/// What a conditional write has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is there.
    Done,
    /// Somebody else was faster: nothing was written.
    Overtaken,
}

/// A version of an object, or that it was deleted.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Key of the object.
    pub(crate) key: String,
    /// Identifier of the version; of an object that is not versioned `null`.
    pub(crate) id: String,
    /// Milliseconds since the Unix epoch, in whole seconds.
    pub(crate) modified: u64,
    /// Whether the object was deleted then.
    pub(crate) is_deletion: bool,
}

impl Bucket {
    /// The one that the variables of the function name; Redis is not needed.
    pub(crate) async fn open() -> Result<Self> {
        let lookup = |name: &str| {
            let set = std::env::var(name).ok();
            set.or_else(|| (name == "REDIS_HOST").then(|| "nowhere".to_owned()))
        };
        let settings = Settings::read(lookup).advise(
            || "the bucket is not known".to_owned(),
            "set CONFIG_BUCKET_NAME, and PLUGINS_PREFIX where the function has it",
        )?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(LONGEST)
            .operation_timeout(LONGEST)
            .build();
        let config = aws_sdk_s3::config::Builder::from(&redis_sync::aws::config().await)
            .force_path_style(settings.s3_force_path_style)
            .timeout_config(timeouts)
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            name: settings.bucket,
            plugins_prefix: settings.plugins_prefix,
        })
    }

    /// The key of a plugin.
    pub(crate) fn plugin_key(&self, name: &str) -> String {
        format!("{}{name}", self.plugins_prefix)
    }

    /// An object, or a version of it; `None` where there is none.
    pub(crate) async fn get(&self, key: &str, version: Option<&str>) -> Result<Option<Object>> {
        let request = self.client.get_object().bucket(&self.name).key(key);
        let request = request.set_version_id(version.map(str::to_owned));
        let output = match request.send().await {
            Ok(output) => output,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(self.failed("read", key, &error)),
        };
        let mut object = self.head(key, &output);
        object.body = body(output)
            .await
            .advise(|| format!("`{key}` cannot be read to its end"), "try again")?;
        Ok(Some(object))
    }

    /// What an object is encrypted with that is not S3's own key: the kind, and the key.
    pub(crate) async fn encryption(&self, key: &str) -> Result<Option<String>> {
        let request = self.client.get_object().bucket(&self.name).key(key);
        let read = request.range("bytes=0-0").send().await;
        let output = match read {
            Ok(output) => output,
            // Of an empty object there is no first byte.
            Err(error) if status(&error) == Some(416) => return Ok(None),
            Err(error) => return Err(self.failed("read", key, &error)),
        };
        let kind = output
            .server_side_encryption()
            .map(|kind| kind.as_str().to_owned());
        let kms_key = output
            .ssekms_key_id()
            .unwrap_or("a key that S3 does not name");
        Ok(kind
            .filter(|kind| kind.starts_with("aws:kms"))
            .map(|kind| format!("{kind} ({kms_key})")))
    }

    fn head(&self, key: &str, output: &GetObjectOutput) -> Object {
        let metadata = output.metadata().cloned().unwrap_or_default();
        let mut metadata: Vec<(String, String)> = metadata.into_iter().collect();
        metadata.sort();
        Object {
            bucket: self.name.clone(),
            key: key.to_owned(),
            etag: output
                .e_tag()
                .unwrap_or_default()
                .trim_matches('"')
                .to_owned(),
            version_id: output.version_id().map(str::to_owned),
            last_modified: milliseconds(output.last_modified()),
            content_type: output.content_type().map(str::to_owned),
            metadata,
            body: Bytes::new(),
        }
    }

    /// Writes an object, whatever was there.
    pub(crate) async fn put(&self, key: &str, body: Bytes) -> Result<()> {
        let request = self.client.put_object().bucket(&self.name).key(key);
        let sent = request.body(body.into()).send().await;
        sent.map(drop)
            .map_err(|error| self.failed("written", key, &error))
    }

    /// Writes an object where what is there is what is expected.
    pub(crate) async fn put_if(
        &self,
        key: &str,
        body: Bytes,
        before: Before<'_>,
    ) -> Result<Written> {
        let request = self.client.put_object().bucket(&self.name).key(key);
        let request = match before {
            Before::Nothing => request.if_none_match("*"),
            Before::Etag(etag) => request.if_match(format!("\"{etag}\"")),
        };
        match request.body(body.into()).send().await {
            Ok(_) => Ok(Written::Done),
            // It is another one, is being written now, or is gone.
            Err(error) if matches!(status(&error), Some(404 | 409 | 412)) => Ok(Written::Overtaken),
            Err(error) => Err(self.failed("written", key, &error)),
        }
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let request = self.client.delete_object().bucket(&self.name).key(key);
        let sent = request.send().await;
        sent.map(drop)
            .map_err(|error| self.failed("deleted", key, &error))
    }

    /// The keys under a prefix, in their order.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let (mut keys, mut from) = (Vec::new(), None);
        loop {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix);
            let page = request.set_continuation_token(from).send().await;
            let page = page.map_err(|error| self.failed("listed", prefix, &error))?;
            let listed = page.contents.unwrap_or_default().into_iter();
            keys.extend(listed.filter_map(|object| object.key));
            from = page.next_continuation_token;
            if from.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Whether there is an object of that key.
    pub(crate) async fn has(&self, key: &str) -> Result<bool> {
        let request = self.client.list_objects_v2().bucket(&self.name);
        // Of all that begin so it is the first one.
        let listed = request.prefix(key).max_keys(1).send().await;
        let listed = listed.map_err(|error| self.failed("listed", key, &error))?;
        let first = listed.contents().first().and_then(|object| object.key());
        Ok(first == Some(key))
    }

    /// All versions of the objects under a prefix, of each the newest first.
    pub(crate) async fn versions(&self, prefix: &str) -> Result<Vec<Version>> {
        let (mut versions, mut from) = (Vec::new(), (None, None));
        loop {
            let request = self.client.list_object_versions().bucket(&self.name);
            let request = request.prefix(prefix).set_key_marker(from.0);
            let page = request.set_version_id_marker(from.1).send().await;
            let page =
                page.map_err(|error| self.failed("listed with its versions", prefix, &error))?;
            from = (
                page.next_key_marker().map(str::to_owned),
                page.next_version_id_marker().map(str::to_owned),
            );
            for version in page.versions.unwrap_or_default() {
                versions.extend(known(
                    version.key,
                    version.version_id,
                    version.last_modified,
                    false,
                ));
            }
            for marker in page.delete_markers.unwrap_or_default() {
                versions.extend(known(
                    marker.key,
                    marker.version_id,
                    marker.last_modified,
                    true,
                ));
            }
            if page.is_truncated != Some(true) {
                break;
            }
        }
        // Each list has the newest first, and they are of whole seconds.
        versions.sort_by(|one, other| (&one.key, other.modified).cmp(&(&other.key, one.modified)));
        Ok(versions)
    }

    fn failed<E>(&self, what: &str, key: &str, error: &E) -> anyhow::Error
    where
        E: Error + ProvideErrorMetadata,
    {
        let (bucket, error) = (&self.name, explained(error));
        problem(
            format!("`{key}` cannot be {what} in the bucket `{bucket}`: {error}"),
            NEXT,
        )
    }
}

fn known(
    key: Option<String>,
    id: Option<String>,
    modified: Option<DateTime>,
    is_deletion: bool,
) -> Option<Version> {
    Some(Version {
        key: key?,
        id: id.unwrap_or_else(|| "null".to_owned()),
        modified: milliseconds(modified.as_ref()),
        is_deletion,
    })
}

async fn body(output: GetObjectOutput) -> Result<Bytes> {
    Ok(output.body.collect().await?.into_bytes())
}

fn milliseconds(time: Option<&DateTime>) -> u64 {
    let milliseconds = time.and_then(|time| time.to_millis().ok());
    milliseconds
        .and_then(|time| u64::try_from(time).ok())
        .unwrap_or(0)
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    Some(error.raw_response()?.status().as_u16())
}
