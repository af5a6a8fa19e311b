//! `If-Match` and `If-None-Match`, and the errors of requests that find nothing to answer with.

use http::{HeaderMap, HeaderValue, header};
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{ETag, ETagCondition},
    s3_error,
};

use super::store::{Missing, Object};

/// What must hold for a request to be carried out.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// The object must have this etag.
    pub(super) if_match: Option<ETagCondition>,
    /// The object must not have this etag.
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Condition {
    /// Whether an object may be read: 412 if it has changed, 304 if it has not.
    pub(super) fn check_read(&self, object: &Object) -> S3Result<()> {
        if !self.if_match.as_ref().is_none_or(|it| matches(it, object)) {
            return Err(S3ErrorCode::PreconditionFailed.into());
        }
        if self
            .if_none_match
            .as_ref()
            .is_some_and(|it| matches(it, object))
        {
            return Err(not_modified(object));
        }
        Ok(())
    }

    /// Whether an object may be written over what is there: 412 if not.
    pub(super) fn check_write(&self, object: Option<&Object>) -> S3Result<()> {
        match (&self.if_match, object) {
            (Some(_), None) => return Err(S3ErrorCode::NoSuchKey.into()),
            (Some(wanted), Some(object)) if !matches(wanted, object) => {
                return Err(S3ErrorCode::PreconditionFailed.into());
            }
            _ => {}
        }
        match (&self.if_none_match, object) {
            (Some(unwanted), Some(object)) if matches(unwanted, object) => {
                Err(S3ErrorCode::PreconditionFailed.into())
            }
            _ => Ok(()),
        }
    }
}

impl From<Missing> for S3Error {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Key => s3_error!(NoSuchKey, "the specified key does not exist"),
            Missing::Version => s3_error!(NoSuchVersion, "the key has no such version"),
            Missing::Deleted { marker } => {
                let error = s3_error!(NoSuchKey, "the specified key does not exist");
                with_marker(error, &marker)
            }
            Missing::Marker { marker } => {
                let error = s3_error!(MethodNotAllowed, "this version is a delete marker");
                with_marker(error, &marker)
            }
        }
    }
}

fn matches(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}

fn not_modified(object: &Object) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = ETag::Strong(object.etag.clone()).to_http_header() {
        headers.insert(header::ETAG, etag);
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}

fn with_marker(mut error: S3Error, marker: &str) -> S3Error {
    let mut headers = HeaderMap::new();
    let xml = HeaderValue::from_static("application/xml");
    headers.insert(header::CONTENT_TYPE, xml);
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(marker) = HeaderValue::from_str(marker) {
        headers.insert("x-amz-version-id", marker);
    }
    error.set_headers(headers);
    error
}
