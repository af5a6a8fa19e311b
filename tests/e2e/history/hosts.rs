//! Hosts that get events, each behind doors of its own.

use redis_sync_local::{BUCKET, Function, S3, event};
use redis_sync_tests::gate::Gate;
use redis_sync_tests::host::{Failure, Host, LIMIT};
use redis_sync_tests::program;
use redis_sync_tests::target::Target;
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Where hosts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process.
    Here,
    /// In a process each.
    Functions,
}

/// Some hosts that work on the same bucket.
pub(super) struct Hosts {
    hosts: Vec<One>,
    workers: Vec<Worker>,
}

/// A host, and what it is started with.
struct One {
    runs: Runs,
    variables: Vec<(String, String)>,
}

#[derive(Clone)]
enum Runs {
    Here(Host),
    AsFunction(Arc<Function>),
}

/// A host at work.
struct Worker {
    host: usize,
    work: Work,
    task: JoinHandle<Vec<Failure>>,
}

/// What a host is at.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// An event of these objects.
    Event(Vec<String>),
    Sync,
}

/// Work that has failed, or died with its host.
pub(super) struct Undone {
    pub(super) host: usize,
    /// What is left of it: the objects that failed.
    pub(super) work: Work,
    /// Why each of them failed, or the sync.
    pub(super) failures: Vec<Failure>,
}

impl Hosts {
    /// Sets up a host for each of these prefixes of data keys.
    pub(super) async fn start(
        prefixes: &[&str],
        place: Place,
        gate: &mut Gate,
        s3: &S3,
        target: &Target,
        more: &[(String, String)],
    ) -> Self {
        let mut hosts = Vec::new();
        for (host, prefix) in prefixes.iter().enumerate() {
            let endpoint = gate.http(host, s3.endpoint()).await.unwrap();
            let port = gate.redis(host, target.servers()).await.unwrap();
            let mut variables = target.variables(s3);
            variables.extend_from_slice(more);
            variables.push(("REDIS_KEY_PREFIX".to_owned(), (*prefix).to_owned()));
            variables.push(("AWS_ENDPOINT_URL".to_owned(), endpoint.clone()));
            variables.push(("REDIS_PORT".to_owned(), port.to_string()));
            let runs = match place {
                Place::Here => Runs::Here(Host::start_at(&endpoint, &variables)),
                Place::Functions => function(&variables).await,
            };
            hosts.push(One { runs, variables });
        }
        Self {
            hosts,
            workers: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn number(&self) -> usize {
        self.hosts.len()
    }

    /// How many events are being worked on.
    pub(super) fn at_work(&self) -> usize {
        let at_work = |worker: &&Worker| !worker.task.is_finished();
        self.workers.iter().filter(at_work).count()
    }

    /// Whether none computes that is in a process of its own.
    pub(super) fn are_asleep(&self) -> bool {
        self.hosts.iter().all(|one| match &one.runs {
            Runs::Here(_) => true,
            Runs::AsFunction(function) => function.is_asleep(),
        })
    }

    /// Has one of them handle an event of these objects; `done` is called when it has.
    pub(super) fn deliver(
        &mut self,
        host: usize,
        objects: Vec<String>,
        done: impl Fn() + Send + 'static,
    ) {
        let (runs, keys) = (self.hosts[host].runs.clone(), objects.clone());
        let task = tokio::spawn(async move {
            let failed = deliver(&runs, keys).await;
            done();
            failed
        });
        self.workers.push(Worker {
            host,
            work: Work::Event(objects),
            task,
        });
    }

    /// Has one of them bring everything up to date, as an operator would.
    pub(super) fn sync(&mut self, host: usize, done: impl Fn() + Send + 'static) {
        let runs = self.hosts[host].runs.clone();
        let task = tokio::spawn(async move {
            let failed = full_sync(&runs).await.err();
            done();
            failed
                .map(|why| ("sync".to_owned(), why))
                .into_iter()
                .collect()
        });
        self.workers.push(Worker {
            host,
            work: Work::Sync,
            task,
        });
    }

    /// Has one of them bring everything up to date, and waits for it.
    pub(super) async fn sync_to_the_end(&self, host: usize) -> Result<(), String> {
        full_sync(&self.hosts[host].runs).await
    }

    /// A host dies with all that it is at, and starts afresh.
    pub(super) async fn die(&mut self, host: usize) -> Vec<Undone> {
        let mut died = Vec::new();
        let (its, others) = std::mem::take(&mut self.workers)
            .into_iter()
            .partition(|worker| worker.host == host && !worker.task.is_finished());
        self.workers = others;
        let its: Vec<Worker> = its;
        for worker in its {
            worker.task.abort();
            // An error: it was aborted.
            let _ = worker.task.await;
            died.push(Undone {
                host,
                work: worker.work,
                failures: Vec::new(),
            });
        }
        let one = &mut self.hosts[host];
        if let Runs::AsFunction(function) = &one.runs {
            function.kill().await;
            one.runs = self::function(&one.variables).await;
        }
        died
    }

    /// What has failed since this was asked the last time.
    pub(super) async fn failed(&mut self) -> Vec<Undone> {
        let (done, at_work) = std::mem::take(&mut self.workers)
            .into_iter()
            .partition(|worker: &Worker| worker.task.is_finished());
        self.workers = at_work;
        let done: Vec<Worker> = done;
        let mut failed = Vec::new();
        for worker in done {
            let failures = worker.task.await.unwrap();
            if failures.is_empty() {
                continue;
            }
            let keys = failures.iter().map(|(key, _)| key.clone());
            failed.push(Undone {
                host: worker.host,
                work: match worker.work {
                    Work::Event(_) => Work::Event(keys.collect()),
                    Work::Sync => Work::Sync,
                },
                failures,
            });
        }
        failed
    }
}

async fn function(variables: &[(String, String)]) -> Runs {
    let function = Function::start(program::bootstrap(), variables.iter().cloned()).await;
    Runs::AsFunction(Arc::new(function.unwrap()))
}

async fn deliver(host: &Runs, objects: Vec<String>) -> Vec<Failure> {
    match host {
        Runs::Here(host) => host.deliver(objects, LIMIT).await,
        Runs::AsFunction(function) => {
            let events = objects.iter().map(|key| event::created(BUCKET, key));
            match function.invoke_within(event::batch(events), LIMIT).await {
                Ok(_) => Vec::new(),
                Err(error) => objects
                    .into_iter()
                    .map(|key| (key, error.to_string()))
                    .collect(),
            }
        }
    }
}

async fn full_sync(host: &Runs) -> Result<(), String> {
    match host {
        Runs::Here(host) => host.full_sync().await,
        Runs::AsFunction(function) => {
            let report = function.invoke(json!({"sync": {}})).await;
            let report = report.map_err(|error| error.to_string())?;
            let message = format!("the sync: {report}");
            (report["status"] == "success").then_some(()).ok_or(message)
        }
    }
}
