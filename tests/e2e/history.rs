//! Histories: what happens to a bucket, and how its events are delivered meanwhile.

use super::scenario::{self, variables};
use proptest::prelude::*;
use proptest::sample::Index;
use redis_sync::full_sync::{self, Mode, Span};
use redis_sync::pipeline::{Pipeline, Rerun};
use redis_sync_local::{
    BUCKET, Effect, Fault, Function, Operation, Redis, RedisCluster, S3, event,
};
use redis_sync_tests::held::{held, held_by_cluster};
use redis_sync_tests::host::host;
use redis_sync_tests::{guest, program};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The objects of a history.
const OBJECTS: [&str; 4] = ["flags/a", "flags/b", "flags/c", "flags/d"];

/// Where their plugin is.
const PLUGIN: &str = "plugins/flags.wasm";

/// How often what failed is delivered again.
const REDELIVERIES: usize = 10;

/// What an object yields.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// What its values hold.
    pub(crate) value: u8,
    /// How many keys only this object yields.
    pub(crate) own: u8,
    /// Which of three keys it yields that any object may yield.
    pub(crate) shared: BTreeSet<u8>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(usize, Content),
    Delete(usize),
    /// Another plugin is uploaded, or it is removed.
    Plugin(Option<u8>),
    /// An event of an earlier change is delivered, early or again; its worker has so long.
    Deliver {
        change: Index,
        host: Index,
        dies_after_ms: Option<u64>,
    },
    /// The next read of an object is answered late, with what was there in time.
    SlowRead(usize, u64),
    /// An operator has everything brought up to date, while events are delivered.
    Sync,
    /// Redis answers nobody for so long.
    SlowRedis(u64),
    /// Time passes.
    Wait(u64),
    /// Redis loses something.
    Lose(Loss),
}

/// What Redis loses, be it by eviction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Owners,
    Index,
    /// The record of one object.
    Record(usize),
    /// What is recorded of one object in the hash slots of a cluster.
    Parts(usize),
    Everything,
}

/// What happens to a bucket, in order.
pub(crate) fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 3..24)
}

/// The same, with losses in between: either owners or records, since a key that has lost both is
/// like any that somebody else has written.
pub(crate) fn histories_with_losses() -> impl Strategy<Value = Vec<Step>> {
    let object = 0..OBJECTS.len();
    let owners = prop_oneof![
        4 => Just(Loss::Owners),
        1 => Just(Loss::Everything),
    ];
    let records = prop_oneof![
        2 => Just(Loss::Index),
        4 => object.clone().prop_map(Loss::Record),
        2 => object.prop_map(Loss::Parts),
        1 => Just(Loss::Everything),
    ];
    let history = |loss: BoxedStrategy<Loss>| {
        let step = prop_oneof![
            5 => step(),
            1 => loss.prop_map(Step::Lose),
        ];
        prop::collection::vec(step, 3..24)
    };
    prop_oneof![
        1 => history(owners.boxed()),
        3 => history(records.boxed()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let object = 0..OBJECTS.len();
    let content = (0..3_u8, 0..3_u8, prop::collection::btree_set(0..3_u8, 0..3))
        .prop_map(|(value, own, shared)| Content { value, own, shared });
    let deliver = (
        any::<Index>(),
        any::<Index>(),
        prop::option::weighted(0.15, 0..12_u64),
    );
    prop_oneof![
        6 => (object.clone(), content).prop_map(|(object, content)| Step::Put(object, content)),
        3 => object.clone().prop_map(Step::Delete),
        1 => prop::option::weighted(0.8, 0..3_u8).prop_map(Step::Plugin),
        8 => deliver.prop_map(|(change, host, dies_after_ms)| Step::Deliver { change, host, dies_after_ms }),
        3 => (object, 1..15_u64).prop_map(|(object, ms)| Step::SlowRead(object, ms)),
        1 => Just(Step::Sync),
        1 => (1..8_u64).prop_map(Step::SlowRedis),
        2 => (1..6_u64).prop_map(Step::Wait),
    ]
}

/// Who delivers events.
enum Hosts {
    /// Hosts in this process.
    Pipelines(Vec<Arc<Pipeline>>),
    /// Processes.
    Functions(Vec<Function>),
}

/// What holds the entries.
enum Target {
    Server(Redis),
    Cluster(RedisCluster),
}

/// A bucket, hosts, and what they keep equal to it.
pub(crate) struct World {
    hosts: Hosts,
    s3: S3,
    target: Target,
}

impl World {
    pub(crate) async fn of_pipelines(number: usize) -> Self {
        let (s3, redis) = (
            S3::start(BUCKET).await.unwrap(),
            Redis::start().await.unwrap(),
        );
        let variables = variables(&s3, &redis);
        let hosts = (0..number).map(|_| host(&s3, &variables).unwrap());
        let hosts = Hosts::Pipelines(hosts.collect());
        Self {
            hosts,
            s3,
            target: Target::Server(redis),
        }
    }

    pub(crate) async fn of_functions(number: usize) -> Self {
        let (s3, redis) = (
            S3::start(BUCKET).await.unwrap(),
            Redis::start().await.unwrap(),
        );
        let mut functions = Vec::new();
        for _ in 0..number {
            let function = Function::start(program::bootstrap(), variables(&s3, &redis)).await;
            functions.push(function.unwrap());
        }
        let hosts = Hosts::Functions(functions);
        Self {
            hosts,
            s3,
            target: Target::Server(redis),
        }
    }

    pub(crate) async fn of_cluster(number: usize) -> Self {
        let (s3, cluster) = (
            S3::start(BUCKET).await.unwrap(),
            RedisCluster::start().await.unwrap(),
        );
        let mut variables = variables(&s3, &cluster.nodes()[0]);
        variables.push(("REDIS_CLUSTER".into(), "true".into()));
        let hosts = (0..number).map(|_| host(&s3, &variables).unwrap());
        let hosts = Hosts::Pipelines(hosts.collect());
        Self {
            hosts,
            s3,
            target: Target::Cluster(cluster),
        }
    }

    /// Plays a history to its end; an error says how Redis differs from the bucket.
    pub(crate) async fn play(self: &Arc<Self>, history: &[Step]) -> Result<(), String> {
        self.empty().await;
        let mut play = Play::default();
        for step in history {
            self.step(&mut play, step).await;
        }
        for object in play.clashing() {
            self.step(&mut play, &Step::Delete(object)).await;
        }
        self.s3.clear_faults();
        for change in 0..play.changes.len() {
            if !play.delivered.contains(&change) {
                self.deliver(&mut play, change, change, None);
            }
        }
        self.redeliver(&mut play).await?;
        if history.iter().any(|step| matches!(step, Step::Lose(_))) {
            self.sync().await?;
        }
        let (held, expected) = (self.held().await, play.expected());
        if held == expected {
            Ok(())
        } else {
            Err(format!("Redis holds {held}\nthe bucket means {expected}"))
        }
    }

    async fn step(self: &Arc<Self>, play: &mut Play, step: &Step) {
        match step {
            Step::Put(object, content) => {
                self.s3.put(OBJECTS[*object], content.body(*object));
                play.objects.insert(*object, content.clone());
                play.changes.push(vec![OBJECTS[*object].to_owned()]);
            }
            Step::Delete(object) => {
                self.s3.delete(OBJECTS[*object]);
                play.objects.remove(object);
                play.changes.push(vec![OBJECTS[*object].to_owned()]);
            }
            Step::Plugin(variant) => {
                match variant {
                    Some(variant) => self.s3.put(PLUGIN, scenario::variant(letter(*variant))),
                    None => {
                        self.s3.delete(PLUGIN);
                        String::new()
                    }
                };
                play.plugin = *variant;
                play.changes.push(OBJECTS.map(str::to_owned).to_vec());
            }
            Step::Deliver {
                change,
                host,
                dies_after_ms,
            } => {
                if !play.changes.is_empty() {
                    let change = change.index(play.changes.len());
                    self.deliver(play, change, host.index(97), *dies_after_ms);
                }
            }
            Step::SlowRead(object, ms) => self.s3.inject(Fault {
                operation: Operation::GetObject,
                key: Some(OBJECTS[*object].to_owned()),
                times: Some(1),
                effect: Effect::DelayAnswer(Duration::from_millis(*ms)),
            }),
            Step::Sync => {
                let world = Arc::clone(self);
                // What fails in it is delivered by an event of its own.
                play.workers.spawn(async move {
                    let _ = world.sync().await;
                    Vec::new()
                });
            }
            Step::SlowRedis(ms) => {
                let ms = ms.to_string();
                for node in self.nodes() {
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
        for node in self.nodes() {
            let names = node.command(&["KEYS", &pattern]).await.unwrap();
            for name in names.lines() {
                node.command(&["DEL", name]).await.unwrap();
            }
        }
    }

    /// Has everything brought up to date, as an operator would.
    async fn sync(&self) -> Result<(), String> {
        match &self.hosts {
            Hosts::Pipelines(hosts) => {
                let deadline = Instant::now() + Duration::from_secs(25);
                let mode = Mode::Write(Rerun::IfChanged);
                let summary = full_sync::run(&hosts[0], &Span::under(""), mode, deadline).await;
                let message = format!("the sync: {summary}, {:?}", summary.failures);
                summary.is_success().then_some(()).ok_or(message)
            }
            Hosts::Functions(hosts) => {
                let report = hosts[0].invoke(json!({"sync": {}})).await;
                let report = report.map_err(|error| error.to_string())?;
                let message = format!("the sync: {report}");
                (report["status"] == "success").then_some(()).ok_or(message)
            }
        }
    }

    fn deliver(
        self: &Arc<Self>,
        play: &mut Play,
        change: usize,
        host: usize,
        dies_after_ms: Option<u64>,
    ) {
        play.delivered.insert(change);
        let (world, keys) = (Arc::clone(self), play.changes[change].clone());
        play.workers
            .spawn(async move { world.work(keys, host, dies_after_ms).await });
    }

    /// Delivers an event; what is to be delivered again, and why.
    async fn work(&self, keys: Vec<String>, host: usize, dies_after_ms: Option<u64>) -> Failed {
        let limit = dies_after_ms.map_or(Duration::from_secs(25), Duration::from_millis);
        match &self.hosts {
            Hosts::Pipelines(hosts) => {
                let host = &hosts[host % hosts.len()];
                let reports = host
                    .sync(keys, Rerun::IfChanged, Instant::now() + limit)
                    .await;
                let failure = |report: &redis_sync::report::ObjectReport| {
                    Some((report.key.clone(), report.failure()?.to_owned()))
                };
                reports.iter().filter_map(failure).collect()
            }
            Hosts::Functions(hosts) => {
                let events = keys.iter().map(|key| event::created(BUCKET, key));
                let host = &hosts[host % hosts.len()];
                match host.invoke_within(event::batch(events), limit).await {
                    Ok(_) => Vec::new(),
                    Err(error) => keys
                        .into_iter()
                        .map(|key| (key, error.to_string()))
                        .collect(),
                }
            }
        }
    }

    /// Waits for the workers, and delivers again what failed.
    async fn redeliver(self: &Arc<Self>, play: &mut Play) -> Result<(), String> {
        let mut failed = Failed::new();
        for round in 0..REDELIVERIES {
            let finished = std::mem::take(&mut play.workers).join_all().await;
            failed = finished.into_iter().flatten().collect();
            if failed.is_empty() {
                return Ok(());
            }
            for (place, (key, _)) in failed.iter().enumerate() {
                let (world, keys) = (Arc::clone(self), vec![key.clone()]);
                play.workers
                    .spawn(async move { world.work(keys, round + place, None).await });
            }
        }
        Err(format!(
            "still failing after {REDELIVERIES} deliveries: {failed:?}"
        ))
    }

    async fn flush(&self) {
        for node in self.nodes() {
            node.command(&["FLUSHALL"]).await.unwrap();
        }
    }

    async fn empty(&self) {
        self.flush().await;
        self.s3.clear_faults();
        for key in self.s3.keys() {
            self.s3.delete(&key);
        }
        self.s3.put(PLUGIN, guest::module("scenario"));
    }

    /// The servers that take writes.
    fn nodes(&self) -> &[Redis] {
        match &self.target {
            Target::Server(redis) => std::slice::from_ref(redis),
            Target::Cluster(cluster) => cluster.primaries(),
        }
    }

    async fn held(&self) -> Value {
        match &self.target {
            Target::Server(redis) => held(redis).await,
            Target::Cluster(cluster) => held_by_cluster(cluster).await,
        }
    }
}

/// Keys of objects that failed, and why.
type Failed = Vec<(String, String)>;

/// A history that is being played.
#[derive(Default)]
struct Play {
    objects: BTreeMap<usize, Content>,
    plugin: Option<u8>,
    /// The keys that each change concerns.
    changes: Vec<Vec<String>>,
    delivered: BTreeSet<usize>,
    workers: JoinSet<Failed>,
}

impl Play {
    /// Objects to delete so that no two claim one key.
    fn clashing(&self) -> Vec<usize> {
        let mut claimed: BTreeSet<u8> = BTreeSet::new();
        let clashes = |(_, content): &(&usize, &Content)| {
            let clash = content.shared.iter().any(|key| claimed.contains(key));
            claimed.extend(&content.shared);
            clash
        };
        let clashing = self.objects.iter().filter(clashes);
        clashing.map(|(object, _)| *object).collect()
    }

    /// The transforms of what is in the bucket.
    fn expected(&self) -> Value {
        let mut expected = Map::new();
        for (object, content) in &self.objects {
            match self.plugin {
                None if self.removed_plugin() => {
                    expected.insert(OBJECTS[*object].to_owned(), json!(content.body(*object)));
                }
                variant => {
                    let prefix = variant.map_or("", letter);
                    let keys = content.keys(*object).into_iter();
                    expected
                        .extend(keys.map(|key| (format!("{prefix}{key}"), json!(content.text()))));
                }
            }
        }
        Value::Object(expected)
    }

    /// Whether the plugin that is there at the start has been removed, and none uploaded since.
    fn removed_plugin(&self) -> bool {
        self.plugin.is_none() && self.changes.iter().any(|keys| keys.len() > 1)
    }
}

impl Content {
    fn keys(&self, object: usize) -> Vec<String> {
        let own = (0..self.own).map(|number| format!("own:{object}:{number}"));
        let shared = self.shared.iter().map(|number| format!("shared:{number}"));
        own.chain(shared).collect()
    }

    fn text(&self) -> String {
        format!("value {}", self.value)
    }

    fn body(&self, object: usize) -> String {
        let entries = self.keys(object).into_iter();
        let entries: Map<_, _> = entries
            .map(|key| (key, json!({"bytes": self.text()})))
            .collect();
        json!({"do": "yield", "entries": entries}).to_string()
    }
}

fn letter(variant: u8) -> &'static str {
    ["A", "B", "C"][usize::from(variant) % 3]
}
