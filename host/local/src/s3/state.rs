//! What all requests to the server share: the buckets, and the faults that strike requests.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;

use s3s::{S3Response, S3Result, s3_error};

use super::{
    fault::{Effect, Faults, Operation},
    store::Bucket,
};

/// The state behind the server.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Buckets by name.
    buckets: Mutex<BTreeMap<String, Bucket>>,
    /// What goes wrong.
    pub(super) faults: Faults,
}

impl State {
    /// Works on a bucket, which is made if it is not there.
    pub(super) fn with_bucket<T>(&self, name: &str, work: impl FnOnce(&mut Bucket) -> T) -> T {
        work(self.buckets().entry(name.to_owned()).or_default())
    }

    /// Works on a bucket for a client, who gets an error where it is not there.
    pub(super) fn with_existing<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        match self.buckets().get_mut(name) {
            Some(bucket) => work(bucket),
            None => Err(s3_error!(NoSuchBucket, "the bucket {name} does not exist")),
        }
    }

    /// Counts a request, carries it out, and lets happen to it what the faults say.
    pub(super) async fn carry_out<T: Send>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce(Option<&Effect>) -> S3Result<T> + Send,
    ) -> S3Result<S3Response<T>> {
        let effect = self.faults.strike(operation, key);
        if let Some(effect) = &effect {
            effect.before().await?;
        }
        let output = work(effect.as_ref());
        if let Some(effect) = &effect {
            effect.after().await;
        }
        output.map(S3Response::new)
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock()
    }
}
