//! A host in this process, for tests that need many of them or look inside. Whatever the tests use of
//! the pipeline's own interface, they use here.

use crate::program;
use anyhow::Result;
use redis_sync::handler;
use redis_sync::pipeline::Pipeline;
use redis_sync::settings::Settings;
use redis_sync_local::{S3, sdk_config};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time that an invocation has, unless it is said otherwise.
pub const LIMIT: Duration = Duration::from_secs(25);

/// The time that a full sync has: on a cluster, each of 16,384 hash slots is looked at.
const SYNC_LIMIT: Duration = Duration::from_secs(100);

/// A host.
#[derive(Clone)]
pub struct Host(Arc<Pipeline>);

/// An object that failed, and why.
pub type Failure = (String, String);

impl Host {
    /// Sets it up from a function's variables.
    ///
    /// # Panics
    ///
    /// They are not complete, or the sandbox cannot be set up.
    pub fn start(s3: &S3, variables: &[(String, String)]) -> Self {
        Self::start_at(s3.endpoint(), variables)
    }

    /// The same with another way to S3.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn start_at(endpoint: &str, variables: &[(String, String)]) -> Self {
        Self(host_at(endpoint, variables).expect("the host is set up"))
    }

    /// Delivers an event of these objects, plugins among them or not, and has them brought up to date
    /// within a time; what failed.
    pub async fn deliver(&self, objects: Vec<String>, limit: Duration) -> Vec<Failure> {
        let deadline = Instant::now() + limit;
        let keys = objects.iter().map(String::as_str).collect();
        let reports = handler::sync_changed(&self.0, keys, deadline).await;
        let failure = |report: &redis_sync::report::ObjectReport| {
            Some((report.key.clone(), report.failure()?.to_owned()))
        };
        reports.iter().filter_map(failure).collect()
    }

    /// Delivers an event of one object.
    ///
    /// # Errors
    ///
    /// It failed, and why.
    pub async fn deliver_one(&self, object: &str) -> Result<(), String> {
        let failed = self.deliver(vec![object.to_owned()], LIMIT).await;
        failed
            .into_iter()
            .next()
            .map_or(Ok(()), |(_, why)| Err(why))
    }

    /// Releases what another bucket owns; how many keys and objects it had.
    ///
    /// # Errors
    ///
    /// Redis could not do it.
    pub async fn forget(&self, bucket: &str, dry_run: bool) -> Result<(u64, u64)> {
        let forgotten = self.0.ledger().forget(bucket, dry_run).await?;
        Ok((forgotten.keys, forgotten.objects))
    }

    /// Has everything brought up to date, as an operator would.
    ///
    /// # Errors
    ///
    /// What failed.
    pub async fn full_sync(&self) -> Result<(), String> {
        let answer = self.invoke(&json!({"sync": {}}), SYNC_LIMIT).await;
        let answer = answer.map_err(|error| format!("the sync: {error}"))?;
        let is_success = answer["status"] == "success";
        is_success
            .then_some(())
            .ok_or(format!("the sync: {answer}"))
    }

    /// Answers whatever a function can be invoked with, within a time.
    ///
    /// # Errors
    ///
    /// Why the invocation fails.
    pub async fn invoke(&self, request: &Value, limit: Duration) -> Result<Value, String> {
        let (request, deadline) = (request.to_string(), Instant::now() + limit);
        let answer = Box::pin(handler::answer(&self.0, &request, deadline)).await;
        answer.map_err(|error| error.to_string())
    }
}

/// Sets up what a function works with, from its variables alone.
///
/// # Errors
///
/// The variables are not complete, or the sandbox cannot be set up.
pub fn host(s3: &S3, variables: &[(String, String)]) -> Result<Arc<Pipeline>> {
    host_at(s3.endpoint(), variables)
}

/// Reads a function's variables; of one that is given twice, the last.
///
/// # Errors
///
/// They are not complete.
pub fn settings(variables: &[(String, String)]) -> Result<Settings> {
    Ok(Settings::read(|name| {
        let variable = variables.iter().rev().find(|(known, _)| known == name);
        variable.map(|(_, value)| value.clone())
    })?)
}

fn host_at(endpoint: &str, variables: &[(String, String)]) -> Result<Arc<Pipeline>> {
    Ok(Arc::new(Pipeline::with_parts(
        settings(variables)?,
        &sdk_config(endpoint),
        &program::bootstrap(),
    )?))
}
