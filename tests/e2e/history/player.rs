//! Playing histories.

use super::hosts::Hosts;
use super::progress::Progress;
use super::steps::{Loss, OBJECTS, Step, letter};
use redis_sync_local::{BUCKET, Effect, Fault, Operation, S3};
use redis_sync_tests::host::Failure;
use redis_sync_tests::target::Target;
use redis_sync_tests::{compiled, guest};
use std::sync::Arc;
use std::time::Duration;

/// Where the plugin is.
const PLUGIN: &str = "plugins/flags.wasm";

/// How often what failed is delivered again.
const REDELIVERIES: usize = 10;

/// A bucket, hosts, and what they keep equal to it. It plays one history after the other.
pub(crate) struct Player {
    hosts: Hosts,
    s3: S3,
    target: Target,
}

impl Player {
    /// Hosts in this process, before one server.
    pub(crate) async fn with_hosts(number: usize) -> Self {
        Self::in_process(number, Target::server().await).await
    }

    /// Hosts in this process, before a cluster.
    pub(crate) async fn with_a_cluster(number: usize) -> Self {
        Self::in_process(number, Target::cluster().await).await
    }

    /// Processes, before one server.
    pub(crate) async fn with_functions(number: usize) -> Self {
        let (s3, target) = (S3::start(BUCKET).await.unwrap(), Target::server().await);
        let hosts = Hosts::functions(number, &variables(&s3, &target)).await;
        Self { hosts, s3, target }
    }

    async fn in_process(number: usize, target: Target) -> Self {
        let s3 = S3::start(BUCKET).await.unwrap();
        let hosts = Hosts::in_process(number, &s3, &variables(&s3, &target));
        Self { hosts, s3, target }
    }

    /// Plays a history to its end; an error says how Redis differs from the bucket.
    pub(crate) async fn play(self: &Arc<Self>, history: &[Step]) -> Result<(), String> {
        self.empty().await;
        let mut progress = Progress::default();
        for step in history {
            self.step(&mut progress, step).await;
        }
        for object in progress.clashing() {
            self.step(&mut progress, &Step::Delete(object)).await;
        }
        self.s3.clear_faults();
        for change in 0..progress.changes.len() {
            if !progress.delivered.contains(&change) {
                self.deliver(&mut progress, change, change, None);
            }
        }
        self.redeliver(&mut progress).await?;
        if history.iter().any(|step| matches!(step, Step::Lose(_))) {
            self.hosts.full_sync().await?;
        }
        self.compare(&progress).await
    }

    /// Compares what Redis holds, and what is kept there besides, with what the bucket means. Tickets
    /// may be outstanding: some workers have died.
    async fn compare(&self, progress: &Progress) -> Result<(), String> {
        let (held, expected) = (self.target.held().await, progress.expected());
        let mut found = Vec::new();
        if held != expected {
            found.push(format!("Redis holds {held}\nthe bucket means {expected}"));
        }
        let kept = self.target.bookkeeping().await;
        found.extend(kept.differences(&progress.meaning(&self.s3)));
        found.is_empty().then_some(()).ok_or(found.join("\n"))
    }

    async fn step(self: &Arc<Self>, progress: &mut Progress, step: &Step) {
        match step {
            Step::Put(object, content) => {
                self.s3.put(OBJECTS[*object], content.body(*object));
                progress.objects.insert(*object, content.clone());
                progress.changes.push(vec![OBJECTS[*object].to_owned()]);
            }
            Step::Delete(object) => {
                self.s3.delete(OBJECTS[*object]);
                progress.objects.remove(object);
                progress.changes.push(vec![OBJECTS[*object].to_owned()]);
            }
            Step::Plugin(variant) => {
                match variant {
                    Some(variant) => self.s3.put(PLUGIN, compiled::variant(letter(*variant))),
                    None => {
                        self.s3.delete(PLUGIN);
                        String::new()
                    }
                };
                progress.plugin = *variant;
                progress.changes.push(OBJECTS.map(str::to_owned).to_vec());
            }
            Step::Deliver {
                change,
                host,
                dies_after_ms,
            } => {
                if !progress.changes.is_empty() {
                    let change = change.index(progress.changes.len());
                    let dies_after = dies_after_ms.map(Duration::from_millis);
                    self.deliver(progress, change, host.index(97), dies_after);
                }
            }
            Step::SlowRead(object, ms) => self.s3.inject(Fault {
                operation: Operation::GetObject,
                key: Some(OBJECTS[*object].to_owned()),
                times: Some(1),
                effect: Effect::DelayAnswer(Duration::from_millis(*ms)),
            }),
            Step::Sync => {
                let player = Arc::clone(self);
                // What fails in it is delivered by an event of its own.
                progress.workers.spawn(async move {
                    let _ = player.hosts.full_sync().await;
                    Vec::new()
                });
            }
            Step::SlowRedis(ms) => {
                let ms = ms.to_string();
                for node in self.target.nodes() {
                    node.command(&["CLIENT", "PAUSE", &ms]).await.unwrap();
                }
            }
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Lose(loss) => self.lose(*loss).await,
        }
    }

    async fn lose(&self, loss: Loss) {
        let pattern = match loss {
            Loss::Owners => "redis-sync:*owners".to_owned(),
            Loss::Index => "redis-sync:*index:*".to_owned(),
            Loss::Record(object) => format!("redis-sync:*object:{BUCKET}/{}", OBJECTS[object]),
            Loss::Parts(object) => format!("redis-sync:*part:{BUCKET}/{}", OBJECTS[object]),
            Loss::Everything => return self.flush().await,
        };
        for node in self.target.nodes() {
            let names = node.command(&["KEYS", &pattern]).await.unwrap();
            for name in names.lines() {
                node.command(&["DEL", name]).await.unwrap();
            }
        }
    }

    fn deliver(
        self: &Arc<Self>,
        progress: &mut Progress,
        change: usize,
        host: usize,
        dies_after: Option<Duration>,
    ) {
        progress.delivered.insert(change);
        let (player, objects) = (Arc::clone(self), progress.changes[change].clone());
        progress
            .workers
            .spawn(async move { player.hosts.deliver(host, objects, dies_after).await });
    }

    /// Waits for the workers, and delivers again what failed.
    async fn redeliver(self: &Arc<Self>, progress: &mut Progress) -> Result<(), String> {
        let mut failed: Vec<Failure> = Vec::new();
        for round in 0..REDELIVERIES {
            let finished = std::mem::take(&mut progress.workers).join_all().await;
            failed = finished.into_iter().flatten().collect();
            if failed.is_empty() {
                return Ok(());
            }
            for (place, (object, _)) in failed.iter().enumerate() {
                let (player, objects) = (Arc::clone(self), vec![object.clone()]);
                let host = round + place;
                progress
                    .workers
                    .spawn(async move { player.hosts.deliver(host, objects, None).await });
            }
        }
        Err(format!(
            "still failing after {REDELIVERIES} deliveries: {failed:?}"
        ))
    }

    async fn flush(&self) {
        for node in self.target.nodes() {
            node.command(&["FLUSHALL"]).await.unwrap();
        }
    }

    async fn empty(&self) {
        self.flush().await;
        self.s3.clear_faults();
        for key in self.s3.keys() {
            self.s3.delete(&key);
        }
        guest::upload(&self.s3);
    }
}

/// The variables that lead a host to all of it, and to the guest's machine code.
fn variables(s3: &S3, target: &Target) -> Vec<(String, String)> {
    let mut variables = target.variables(s3);
    variables.push(compiled::variable());
    variables
}
