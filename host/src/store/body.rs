//! Reading a body: all of it, and no more than is allowed.

use super::SizeLimit;
use super::error::{Request, StoreError};
use crate::aws;
use crate::number::to_u64;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::BytesMut;
use std::time::Duration;

/// How long a body may take.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The size of a body, if the answer says so and it is not too large.
pub(super) fn announced(
    key: &str,
    output: &GetObjectOutput,
    limit: SizeLimit,
) -> Result<Option<u64>, StoreError> {
    let size = output
        .content_length()
        .and_then(|length| u64::try_from(length).ok());
    StoreError::check_size(key, size.unwrap_or(0), limit)?;
    Ok(size)
}

/// Reads the body of an answer; its size is checked while reading.
pub(super) async fn read(
    request: &Request<'_>,
    output: GetObjectOutput,
    announced: Option<u64>,
    limit: SizeLimit,
) -> Result<BytesMut, StoreError> {
    let announced = announced.unwrap_or(0);
    let read = collect(request, output.body, announced, limit);
    let body = tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .map_err(|_| {
            let seconds = BODY_TIMEOUT.as_secs();
            request.unavailable(format!("the body took more than {seconds} s"))
        })??;
    if to_u64(body.len()) < announced {
        return Err(request.unavailable("the body ended too early".to_owned()));
    }
    Ok(body)
}

/// Reads a body to its end, which may come later than was announced, or not at all.
async fn collect(
    request: &Request<'_>,
    mut stream: ByteStream,
    announced: u64,
    limit: SizeLimit,
) -> Result<BytesMut, StoreError> {
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| request.unavailable(aws::chain(&error)))?;
        if to_u64(body.len()) + to_u64(chunk.len()) > limit.bytes {
            let key = request.key.to_owned();
            return Err(StoreError::Endless { key, limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
