//! S3 over HTTP, in memory.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! use redis_sync_local::{Operation, S3};
//!
//! let s3 = S3::start("config").await?;
//! s3.put("flags.json", r#"{"dark_mode": true}"#);
//! // A client at `s3.endpoint()` reads it.
//! assert_eq!(s3.count(Operation::GetObject), 0);
//! # Ok(())
//! # }
//! ```

mod condition;
mod fault;
mod listing;
mod service;
mod state;
mod store;

use std::{sync::Arc, time::SystemTime};

use anyhow::Result;
use bytes::Bytes;
use s3s::{
    config::{S3Config, StaticConfigProvider},
    service::S3ServiceBuilder,
};

use self::{
    service::{AnyKey, Anybody, Service},
    state::State,
    store::{Bucket, Description},
};
use crate::server::Server;

pub use self::{
    fault::{Effect, Fault, Gate, Operation, Parked},
    store::Object,
};

/// The access key id to sign with; any other does as well.
pub const ACCESS_KEY_ID: &str = "local";

/// The secret to sign with.
pub const SECRET_ACCESS_KEY: &str = "local-secret";

/// An S3 server with one bucket that tests work on directly, beside the clients that use it over
/// HTTP. It forgets everything when it is dropped.
#[derive(Debug)]
pub struct S3 {
    /// The bucket that the methods work on.
    bucket: String,
    /// The server's URL.
    endpoint: String,
    /// Buckets and faults.
    state: Arc<State>,
    /// Serves as long as it is there.
    _server: Server,
}

impl S3 {
    /// Starts a server with an empty bucket.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start(bucket: &str) -> Result<Self> {
        let state = Arc::new(State::default());
        state.with_bucket(bucket, |_| ());
        let service = Service {
            state: Arc::clone(&state),
        };
        let mut builder = S3ServiceBuilder::new(service);
        builder.set_auth(AnyKey);
        builder.set_access(Anybody);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(patient()))));
        let server = Server::start(builder.build()).await?;
        Ok(Self {
            bucket: bucket.to_owned(),
            endpoint: format!("http://{}", server.address()),
            state,
            _server: server,
        })
    }

    /// The URL for `AWS_ENDPOINT_URL`. Buckets are in the path.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The bucket that the methods work on.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Stores an object and gives its etag, without the quotes of the header.
    pub fn put(&self, key: &str, body: impl AsRef<[u8]>) -> String {
        self.store(key, body.as_ref(), Description::default())
    }

    /// Stores an object with a content type and user metadata, and gives its etag.
    pub fn put_with(
        &self,
        key: &str,
        body: impl AsRef<[u8]>,
        content_type: &str,
        metadata: &[(&str, &str)],
    ) -> String {
        let metadata = metadata
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let description = Description {
            content_type: Some(content_type.to_owned()),
            metadata: metadata.collect(),
        };
        self.store(key, body.as_ref(), description)
    }

    /// Stores an object as a multipart upload of parts with so many bytes would, and gives its etag.
    ///
    /// # Panics
    ///
    /// Parts have at least one byte.
    pub fn put_in_parts(&self, key: &str, body: impl AsRef<[u8]>, part_bytes: usize) -> String {
        let body = Bytes::copy_from_slice(body.as_ref());
        let etag = store::etag_of_parts(body.chunks(part_bytes));
        self.with_bucket(|bucket| bucket.put_as(etag, key, body, Description::default()).etag)
    }

    /// Deletes an object, or puts a delete marker on it where versioning is on.
    pub fn delete(&self, key: &str) {
        self.with_bucket(|bucket| bucket.delete(key));
    }

    /// Deletes one version for good.
    pub fn delete_version(&self, key: &str, version_id: &str) {
        self.with_bucket(|bucket| bucket.delete_version(key, version_id));
    }

    /// The current object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Object> {
        self.with_bucket(|bucket| bucket.get(key, None).ok().cloned())
    }

    /// The keys of all current objects, in UTF-8 binary order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.with_bucket(|bucket| bucket.objects().map(|(key, _)| key.to_owned()).collect())
    }

    /// Keeps old versions from now on.
    pub fn enable_versioning(&self) {
        self.with_bucket(Bucket::enable_versioning);
    }

    /// Stores objects with this time from now on, or with the real one again.
    pub fn set_clock(&self, clock: Option<SystemTime>) {
        self.with_bucket(|bucket| bucket.set_clock(clock));
    }

    /// How many requests for an operation have come over HTTP.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.state.faults.count(operation, None)
    }

    /// How many requests for an operation on a key (of a listing: with that prefix) have come over HTTP.
    #[must_use]
    pub fn count_of(&self, operation: Operation, key: &str) -> usize {
        self.state.faults.count(operation, Some(key))
    }

    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.state.faults.reset_counts();
    }

    /// Lets requests go wrong from now on. Of several faults that fit a request the oldest strikes.
    pub fn inject(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Lets the next `times` requests for an operation fail with an HTTP status.
    pub fn fail(&self, operation: Operation, times: u32, status: u16) {
        self.inject(Fault {
            operation,
            key: None,
            times: Some(times),
            effect: Effect::Fail(status),
        });
    }

    /// Holds up the next request for an operation on a key before it is carried out.
    #[must_use = "the request goes on when this is dropped"]
    pub fn park(&self, operation: Operation, key: &str) -> Parked {
        self.park_at(operation, key, false)
    }

    /// Carries out the next request for an operation on a key, and holds up the answer: the client
    /// will see what was there then.
    #[must_use = "the request goes on when this is dropped"]
    pub fn park_answer(&self, operation: Operation, key: &str) -> Parked {
        self.park_at(operation, key, true)
    }

    /// Answers the next request for an object, and holds up the last byte of its body: who is
    /// [reached](Parked::reached) then is a client that is reading it, if it is longer than what fits into
    /// the buffers between.
    #[must_use = "the body goes on when this is dropped"]
    pub fn park_end(&self, key: &str) -> Parked {
        let (gate, parked) = Gate::new(true);
        self.strike_once(Operation::GetObject, key, Effect::ParkEnd(gate));
        parked
    }

    /// Forgets all faults. Requests that are parked stay so.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    fn park_at(&self, operation: Operation, key: &str, answer: bool) -> Parked {
        let (gate, parked) = Gate::new(answer);
        self.strike_once(operation, key, Effect::Park(gate));
        parked
    }

    fn strike_once(&self, operation: Operation, key: &str, effect: Effect) {
        self.inject(Fault {
            operation,
            key: Some(key.to_owned()),
            times: Some(1),
            effect,
        });
    }

    fn store(&self, key: &str, body: &[u8], description: Description) -> String {
        let body = Bytes::copy_from_slice(body);
        self.with_bucket(|bucket| bucket.put(key, body, description).etag)
    }

    fn with_bucket<T>(&self, work: impl FnOnce(&mut Bucket) -> T) -> T {
        self.state.with_bucket(&self.bucket, work)
    }
}

/// Signatures hold for a day: clients under test are stopped, and some have clocks of their own.
fn patient() -> S3Config {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = 86_400;
    config
}

#[cfg(test)]
mod tests;
