//! Who delivers events.

use redis_sync_local::{BUCKET, Function, S3, event};
use redis_sync_tests::host::{Failure, Host, LIMIT};
use redis_sync_tests::program;
use serde_json::json;
use std::time::Duration;

/// Some hosts that work on the same bucket.
pub(super) enum Hosts {
    /// In this process.
    InProcess(Vec<Host>),
    /// A process each.
    Functions(Vec<Function>),
}

impl Hosts {
    /// Sets up so many hosts in this process.
    pub(super) fn in_process(number: usize, s3: &S3, variables: &[(String, String)]) -> Self {
        Self::InProcess((0..number).map(|_| Host::start(s3, variables)).collect())
    }

    /// Starts so many functions.
    pub(super) async fn functions(number: usize, variables: &[(String, String)]) -> Self {
        let mut functions = Vec::new();
        for _ in 0..number {
            let variables = variables.iter().cloned();
            let function = Function::start(program::bootstrap(), variables).await;
            functions.push(function.unwrap());
        }
        Self::Functions(functions)
    }

    /// Has one of them handle an event of these objects, for so long where it dies then; what failed.
    pub(super) async fn deliver(
        &self,
        host: usize,
        objects: Vec<String>,
        dies_after: Option<Duration>,
    ) -> Vec<Failure> {
        let limit = dies_after.unwrap_or(LIMIT);
        match self {
            Self::InProcess(hosts) => hosts[host % hosts.len()].deliver(objects, limit).await,
            Self::Functions(hosts) => {
                let events = objects.iter().map(|key| event::created(BUCKET, key));
                let host = &hosts[host % hosts.len()];
                match host.invoke_within(event::batch(events), limit).await {
                    Ok(_) => Vec::new(),
                    Err(error) => objects
                        .into_iter()
                        .map(|key| (key, error.to_string()))
                        .collect(),
                }
            }
        }
    }

    /// Has everything brought up to date, as an operator would.
    pub(super) async fn full_sync(&self) -> Result<(), String> {
        match self {
            Self::InProcess(hosts) => hosts[0].full_sync().await,
            Self::Functions(hosts) => {
                let report = hosts[0].invoke(json!({"sync": {}})).await;
                let report = report.map_err(|error| error.to_string())?;
                let message = format!("the sync: {report}");
                (report["status"] == "success").then_some(()).ok_or(message)
            }
        }
    }
}
