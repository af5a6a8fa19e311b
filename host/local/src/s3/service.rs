//! S3's operations, as far as the function uses them.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::TryStreamExt;
use s3s::{
    Body, S3, S3Error, S3Request, S3Response, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    dto::{
        CommonPrefix, DeleteMarkerEntry, DeleteObjectInput, DeleteObjectOutput, ETag, EncodingType,
        GetObjectInput, GetObjectOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
        ListObjectsV2Input, ListObjectsV2Output, Object as Listed, ObjectVersion, PutObjectInput,
        PutObjectOutput, StreamingBlob,
    },
    s3_error,
};

use super::{
    SECRET_ACCESS_KEY,
    condition::Condition,
    fault::{Effect, Gate, Operation},
    listing::{Page, Query},
    state::State,
    store::{Bucket, Description, Object},
};
use crate::encoding::form_encode;

/// The most keys that S3 lists at once.
const PAGE: usize = 1000;

/// The operations on a state.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// What they work on.
    pub(super) state: Arc<State>,
}

#[async_trait]
impl S3 for Service {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let condition = Condition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let (bucket, key, version) = (&input.bucket, &input.key, input.version_id.as_deref());
        let work = |effect: Option<&Effect>| {
            let object = self.read(bucket, key, version, &condition)?;
            Ok(GetObjectOutput {
                content_length: announced(&object.body, effect),
                content_type: object.content_type,
                e_tag: Some(ETag::Strong(object.etag)),
                last_modified: Some(object.last_modified.into()),
                metadata: Some(object.metadata.into_iter().collect()),
                version_id: object.version_id,
                body: Some(body(object.body, effect)),
                ..GetObjectOutput::default()
            })
        };
        self.state.carry_out(Operation::GetObject, key, work).await
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let content = match input.body {
            Some(body) => received(body).await?,
            None => Bytes::new(),
        };
        let condition = Condition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let description = Description {
            content_type: input.content_type,
            metadata: input.metadata.unwrap_or_default().into_iter().collect(),
        };
        let (bucket, key) = (&input.bucket, &input.key);
        let work = |_: Option<&Effect>| {
            self.state.with_existing(bucket, |bucket| {
                condition.check_write(bucket.get(key, None).ok())?;
                let object = bucket.put(key, content, description);
                Ok(PutObjectOutput {
                    e_tag: Some(ETag::Strong(object.etag)),
                    version_id: object.version_id,
                    ..PutObjectOutput::default()
                })
            })
        };
        self.state.carry_out(Operation::PutObject, key, work).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let query = query(&input)?;
        let work = |_: Option<&Effect>| {
            self.state.with_existing(&input.bucket, |bucket| {
                let page = Page::of(bucket, &query);
                Ok(listing(&page, &query, &input))
            })
        };
        self.state
            .carry_out(Operation::ListObjectsV2, &query.prefix, work)
            .await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput {
            bucket,
            key,
            version_id,
            ..
        } = request.input;
        let work = |_: Option<&Effect>| {
            self.state.with_existing(&bucket, |bucket| {
                let version_id = match version_id {
                    None => bucket.delete(&key),
                    Some(id) => {
                        bucket.delete_version(&key, &id);
                        Some(id)
                    }
                };
                Ok(DeleteObjectOutput {
                    version_id,
                    ..DeleteObjectOutput::default()
                })
            })
        };
        self.state
            .carry_out(Operation::DeleteObject, &key, work)
            .await
    }

    /// All of them in one page.
    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let work = |_: Option<&Effect>| {
            self.state
                .with_existing(&input.bucket, |bucket| Ok(versions(bucket, &prefix)))
        };
        self.state
            .carry_out(Operation::ListObjectVersions, &prefix, work)
            .await
    }
}

impl Service {
    fn read(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        condition: &Condition,
    ) -> S3Result<Object> {
        self.state.with_existing(bucket, |bucket| {
            let object = bucket.get(key, version).map_err(S3Error::from)?;
            condition.check_read(object)?;
            Ok(object.clone())
        })
    }
}

async fn received(body: StreamingBlob) -> S3Result<Bytes> {
    let chunks: Vec<Bytes> = body
        .try_collect()
        .await
        .map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
    Ok(Bytes::from(chunks.concat()))
}

/// How long the client is told that the content is.
fn announced(content: &Bytes, effect: Option<&Effect>) -> Option<i64> {
    match effect {
        Some(Effect::Unannounced | Effect::Endless) => None,
        Some(Effect::Announce(length)) => i64::try_from(*length).ok(),
        _ => i64::try_from(content.len()).ok(),
    }
}

/// The content as the client is to get it.
fn body(content: Bytes, effect: Option<&Effect>) -> StreamingBlob {
    match effect {
        Some(Effect::BreakBody(length)) => broken(content.slice(..content.len().min(*length))),
        // Of a stream the server does not know the length.
        Some(Effect::Unannounced) => StreamingBlob::wrap(futures::stream::iter([sent(content)])),
        Some(Effect::Endless) => {
            StreamingBlob::wrap(futures::stream::repeat_with(move || sent(content.clone())))
        }
        Some(Effect::Announce(_)) => {
            StreamingBlob::wrap(futures::stream::pending::<std::io::Result<Bytes>>())
        }
        Some(Effect::ParkEnd(gate)) => held_up(content, gate.clone()),
        _ => StreamingBlob::from(Body::from(content)),
    }
}

fn sent(content: Bytes) -> std::io::Result<Bytes> {
    Ok(content)
}

/// The part of the content after which the connection is to break.
fn broken(sent: Bytes) -> StreamingBlob {
    let broken = futures::stream::once(async move { Ok(sent) });
    let end = futures::stream::once(async {
        // The server sends what it has when the body makes it wait, and drops it when the body fails.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("injected by the test"))
    });
    StreamingBlob::wrap(futures::StreamExt::chain(broken, end))
}

/// The content, whose last byte waits at the gate. The server asks for it when it has sent nearly all before it.
fn held_up(mut content: Bytes, gate: Gate) -> StreamingBlob {
    let last = content.split_off(content.len().saturating_sub(1));
    let most = futures::stream::iter([sent(content)]);
    let end = futures::stream::once(async move {
        gate.pass().await;
        sent(last)
    });
    StreamingBlob::wrap(futures::StreamExt::chain(most, end))
}

fn query(input: &ListObjectsV2Input) -> S3Result<Query> {
    let limit = input.max_keys.map_or(Ok(PAGE), usize::try_from);
    let limit = limit.map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))?;
    let after = match &input.continuation_token {
        None => input.start_after.clone(),
        Some(token) => Some(last_of(token)?),
    };
    Ok(Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after,
        limit: limit.min(PAGE),
    })
}

/// The last item of the page that gave a continuation token.
fn last_of(token: &str) -> S3Result<String> {
    BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|last| String::from_utf8(last).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is incorrect"))
}

fn listing(page: &Page<'_>, query: &Query, input: &ListObjectsV2Input) -> ListObjectsV2Output {
    let encoding = input.encoding_type.as_ref().map(EncodingType::as_str);
    let encode = |text: &str| match encoding {
        Some(EncodingType::URL) => form_encode(text),
        _ => text.to_owned(),
    };
    let contents = page.objects.iter().map(|(key, object)| Listed {
        key: Some(encode(key)),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.last_modified.into()),
        size: i64::try_from(object.body.len()).ok(),
        storage_class: Some(String::from("STANDARD").into()),
        ..Listed::default()
    });
    let common_prefixes = page.common_prefixes.iter().map(|prefix| CommonPrefix {
        prefix: Some(encode(prefix)),
    });
    let count = page.objects.len() + page.common_prefixes.len();
    ListObjectsV2Output {
        name: Some(input.bucket.clone()),
        prefix: Some(encode(&query.prefix)),
        delimiter: query.delimiter.as_deref().map(encode),
        start_after: input.start_after.as_deref().map(encode),
        encoding_type: input.encoding_type.clone(),
        continuation_token: input.continuation_token.clone(),
        next_continuation_token: page.next.map(|last| BASE64_URL_SAFE_NO_PAD.encode(last)),
        is_truncated: Some(page.next.is_some()),
        max_keys: i32::try_from(query.limit).ok(),
        key_count: i32::try_from(count).ok(),
        contents: Some(contents.collect()),
        common_prefixes: Some(common_prefixes.collect()),
        ..ListObjectsV2Output::default()
    }
}

fn versions(bucket: &Bucket, prefix: &str) -> ListObjectVersionsOutput {
    let (mut versions, mut delete_markers) = (Vec::new(), Vec::new());
    for (key, id, made, object) in bucket.versions(prefix) {
        let (key, version_id) = (Some(key.to_owned()), Some(id.to_owned()));
        let last_modified = Some(made.into());
        match object {
            Some(object) => versions.push(ObjectVersion {
                key,
                version_id,
                last_modified,
                e_tag: Some(ETag::Strong(object.etag.clone())),
                ..ObjectVersion::default()
            }),
            None => delete_markers.push(DeleteMarkerEntry {
                key,
                version_id,
                last_modified,
                ..DeleteMarkerEntry::default()
            }),
        }
    }
    ListObjectVersionsOutput {
        versions: Some(versions),
        delete_markers: Some(delete_markers),
        is_truncated: Some(false),
        ..ListObjectVersionsOutput::default()
    }
}

/// Accepts every access key id, with the one secret.
#[derive(Debug)]
pub(super) struct AnyKey;

#[async_trait]
impl S3Auth for AnyKey {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET_ACCESS_KEY))
    }
}

/// Accepts requests without a signature too, such as those of `curl`.
#[derive(Debug)]
pub(super) struct Anybody;

#[async_trait]
impl S3Access for Anybody {
    async fn check(&self, _context: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}
