//! Playing histories.

use super::hosts::{Hosts, Place};
use super::progress::Progress;
use super::steps::{Content, History, Kind, Loss, Step, letter, object};
use crate::permissions::{Rights, WRITES};
use proptest::sample::Index;
use redis_sync_local::{BUCKET, Redis, S3};
use redis_sync_tests::bookkeeping::make_earlier;
use redis_sync_tests::gate::{Fate, Gate, Quiet, Waiting};
use redis_sync_tests::host::Failure;
use redis_sync_tests::snapshot::Snapshot;
use redis_sync_tests::target::Target;
use redis_sync_tests::{compiled, guest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Where the plugin is.
pub(super) const PLUGIN: &str = "plugins/flags.wasm";

/// How often what failed is delivered again.
const REDELIVERIES: usize = 10;

/// Hosts of a history, of each deployment.
const HOSTS: usize = 3;

/// The same where there are two.
const HOSTS_OF_TWO: usize = 2;

/// A bucket, hosts, a gate before them, and what they keep equal to the bucket. It plays one history
/// after the other.
pub(crate) struct Player {
    hosts: Hosts,
    gate: Gate,
    s3: S3,
    target: Target,
    /// The prefixes of the deployments, which take the hosts in turn.
    prefixes: &'static [&'static str],
    /// What the hosts' user of Redis may do, where they sign in.
    rights: Option<Rights>,
}

impl Player {
    /// Hosts in a place, before a Redis, for histories of a kind.
    pub(crate) async fn new(kind: Kind, place: Place, target: Target, quiet: Quiet) -> Self {
        let prefixes = kind.prefixes();
        let s3 = S3::start(BUCKET).await.unwrap();
        let mut gate = Gate::new(quiet);
        gate.open(true);
        let mut more = vec![compiled::variable()];
        let rights = match &target {
            _ if kind != Kind::Rights => None,
            Target::Server(_) => Some(Rights::of_the_template()),
            Target::Cluster(_) => Some(Rights::of_the_template_on_a_cluster()),
        };
        if let Some(rights) = &rights {
            rights.give(target.nodes()).await;
            more.extend(Rights::variables());
        }
        let number = if prefixes.len() > 1 {
            HOSTS_OF_TWO
        } else {
            HOSTS
        };
        let hosts = Hosts::start(
            &prefixes.repeat(number),
            place,
            &mut gate,
            &s3,
            &target,
            &more,
        )
        .await;
        Self {
            hosts,
            gate,
            s3,
            target,
            prefixes,
            rights,
        }
    }

    /// Plays a history to its end; an error says how Redis differs from the bucket.
    pub(crate) async fn play(&mut self, history: &History) -> Result<(), String> {
        self.empty().await;
        let mut progress = Progress::default();
        for step in &history.steps {
            self.settled().await;
            self.step(&mut progress, step).await;
        }
        let clashing = progress.clashing();
        if history.clashes && !clashing.is_empty() {
            // As long as two objects claim one key, one of them fails, and is what it was before.
            let _ = self.finish(&mut progress).await;
            self.work_ends().await;
            self.note_failures(&mut progress).await;
            self.all_or_nothing(&progress).await?;
        }
        for number in clashing {
            self.step(&mut progress, &Step::Delete(number)).await;
        }
        self.finish(&mut progress).await?;
        self.gate.open(true);
        if progress.needs_sync {
            for deployment in 0..self.prefixes.len() {
                self.hosts.synced(deployment).await?;
            }
        }
        self.compare(&progress).await
    }

    /// An error says which object Redis holds a part of.
    async fn all_or_nothing(&self, progress: &Progress) -> Result<(), String> {
        let (held, kept) = (self.target.held().await, self.target.bookkeeping().await);
        let keys = kept.keys_by_object();
        for (number, versions) in &progress.versions {
            let object = object(*number);
            let has: BTreeMap<&str, &Value> = keys
                .get(&object)
                .into_iter()
                .flatten()
                .map(|key| (key.as_str(), &held[key]))
                .collect();
            let is_whole = |content: &Content| {
                let (keys, text) = (content.keys(*number), json!(content.text()));
                keys.len() == has.len()
                    && keys.iter().all(|key| has.get(key.as_str()) == Some(&&text))
            };
            if !has.is_empty() && !versions.iter().any(is_whole) {
                return Err(format!(
                    "Redis holds {has:?} of `{object}`, a part of what it was"
                ));
            }
        }
        Ok(())
    }

    /// The deployment of a host.
    fn deployment(&self, host: usize) -> usize {
        host % self.prefixes.len()
    }

    async fn step(&mut self, progress: &mut Progress, step: &Step) {
        match step {
            Step::Put(number, content) => {
                self.s3.put(&object(*number), content.body(*number));
                progress.objects.insert(*number, content.clone());
                progress
                    .versions
                    .entry(*number)
                    .or_default()
                    .push(content.clone());
                progress.changes.push(vec![object(*number)]);
            }
            Step::Delete(number) => {
                self.s3.delete(&object(*number));
                progress.objects.remove(number);
                progress.changes.push(vec![object(*number)]);
            }
            Step::Plugin(variant) => {
                match variant {
                    Some(variant) => {
                        self.s3.put(PLUGIN, compiled::variant(letter(*variant)));
                    }
                    None => self.s3.delete(PLUGIN),
                }
                progress.plugin = *variant;
                progress.changes.push(vec![PLUGIN.to_owned()]);
            }
            Step::Deliver { change, host } => {
                if !progress.changes.is_empty() {
                    let change = change.index(progress.changes.len());
                    let host = host.index(self.hosts.number());
                    progress.delivered.insert((self.deployment(host), change));
                    let objects = progress.changes[change].clone();
                    self.hosts.deliver(host, objects, self.gate.nudge());
                }
            }
            Step::Sync(host) => {
                let host = host.index(self.hosts.number());
                self.hosts.sync(host, self.gate.nudge());
            }
            Step::Go(place) => self.decide(*place, Fate::Pass, |_| true),
            Step::LoseAnswer(place) => self.decide(*place, Fate::AnswerLost, |to| to.to_redis),
            Step::LoseRequest(place) => self.decide(*place, Fate::Lost, |to| to.to_redis),
            Step::Die(host) => {
                let host = host.index(self.hosts.number());
                self.gate.cut(host);
                let died = self.hosts.die(host).await.into_iter();
                let deployment = self.deployment(host);
                progress.failed.extend(died.map(|key| (deployment, key)));
            }
            Step::Again(place) => {
                if self.gate.past() > 0 {
                    let place = place.index(self.gate.past());
                    self.gate.again(place).await.unwrap();
                }
            }
            Step::Lose(loss) => {
                progress.needs_sync = true;
                self.lose(*loss).await;
            }
            Step::Earlier => {
                progress.needs_sync = true;
                for node in self.target.nodes() {
                    make_earlier(node, self.prefixes[0]).await;
                }
            }
            Step::Lag(server) => {
                let (place, redis) = self.server(*server);
                if let Entry::Vacant(replica) = progress.replicas.entry(place) {
                    replica.insert(Snapshot::of(redis).await);
                }
            }
            Step::Failover(server) => {
                let (place, redis) = self.server(*server);
                if let Some(replica) = progress.replicas.remove(&place) {
                    progress.needs_sync = true;
                    self.gate.cut_to(redis);
                    replica.restore(redis).await;
                }
            }
            Step::Clock(server, ahead) => {
                self.gate.set_clock(self.server(*server).1, (*ahead).into());
            }
            Step::Refuse(Some(place)) => {
                Rights::take(self.target.nodes(), place.get::<&str>(&WRITES)).await;
            }
            Step::Refuse(None) => self.give_rights().await,
        }
    }

    fn server(&self, place: Index) -> (usize, &Redis) {
        let servers = self.target.nodes();
        let place = place.index(servers.len());
        (place, &servers[place])
    }

    /// Waits until each host waits at the gate.
    async fn settled(&self) {
        self.gate.settled(|| self.hosts.are_asleep()).await;
    }

    /// Decides on one of the requests that wait.
    fn decide(&self, place: Index, fate: Fate, which: impl Fn(&Waiting) -> bool) {
        let mut waiting = self.gate.waiting();
        waiting.retain(which);
        if !waiting.is_empty() {
            self.gate.decide(place.get(&waiting), fate);
        }
    }

    /// Delivers what was not delivered, and again what failed, and lets everything through, the oldest
    /// connection's requests first.
    async fn finish(&mut self, progress: &mut Progress) -> Result<(), String> {
        self.give_rights().await;
        for change in 0..progress.changes.len() {
            for deployment in 0..self.prefixes.len() {
                if progress.delivered.insert((deployment, change)) {
                    let host = self.host_of(deployment, change);
                    let objects = progress.changes[change].clone();
                    self.hosts.deliver(host, objects, self.gate.nudge());
                }
            }
        }
        let mut failed = Vec::new();
        for round in 0..REDELIVERIES {
            self.work_ends().await;
            failed = self.note_failures(progress).await;
            if progress.failed.is_empty() {
                return Ok(());
            }
            let again = std::mem::take(&mut progress.failed).into_iter().enumerate();
            for (place, (deployment, key)) in again {
                let host = self.host_of(deployment, round + place);
                self.hosts.deliver(host, vec![key], self.gate.nudge());
            }
        }
        Err(format!(
            "still failing after {REDELIVERIES} deliveries: {failed:?}"
        ))
    }

    /// Lets everything through until no event is being worked on.
    async fn work_ends(&self) {
        while self.hosts.at_work() > 0 {
            self.settled().await;
            match self.gate.waiting().first() {
                Some(first) => self.gate.pass_all(first),
                None if self.hosts.at_work() > 0 => self.gate.changed().await,
                None => {}
            }
        }
    }

    /// What has failed is to be delivered again.
    async fn note_failures(&mut self, progress: &mut Progress) -> Vec<(usize, Failure)> {
        let failed = self.hosts.failed().await;
        for (host, (key, _)) in &failed {
            let failure = (self.deployment(*host), key.clone());
            progress.failed.insert(failure);
        }
        failed
    }

    /// One of the hosts of a deployment.
    fn host_of(&self, deployment: usize, place: usize) -> usize {
        let each = self.hosts.number() / self.prefixes.len();
        deployment + place % each * self.prefixes.len()
    }

    /// Compares what Redis holds, and what is kept there besides, with what the bucket means. Tickets
    /// may be outstanding: some workers have died.
    async fn compare(&self, progress: &Progress) -> Result<(), String> {
        self.settled().await;
        let (held, expected) = (self.target.held().await, progress.expected(self.prefixes));
        let mut found = Vec::new();
        if held != expected {
            found.push(format!("Redis holds {held}\nthe bucket means {expected}"));
        }
        for prefix in self.prefixes {
            let mut kept = self.target.bookkeeping_of(prefix).await;
            for other in self.prefixes.iter().filter(|other| *other != prefix) {
                kept = kept.without(other);
            }
            if !progress.needs_sync {
                // A command that was repeated late may have noted again what has long ended.
                kept = kept.without_notes();
            }
            found.extend(kept.differences(&progress.meaning(&self.s3, prefix)));
        }
        let (calls, known) = (self.target.calls().await, self.gate.calls());
        if calls > known {
            found.push(format!(
                "Redis was asked for {calls} scripts, and only {known} passed the gate"
            ));
        }
        found.is_empty().then_some(()).ok_or(found.join("\n"))
    }

    /// The user of Redis may do all that it might at the start.
    async fn give_rights(&self) {
        if let Some(rights) = &self.rights {
            rights.give(self.target.nodes()).await;
        }
    }

    async fn lose(&self, loss: Loss) {
        let pattern = match loss {
            Loss::Owners => "redis-sync:*owners".to_owned(),
            Loss::Generation => "redis-sync:*generation:*".to_owned(),
            Loss::Index => "redis-sync:*index:*".to_owned(),
            Loss::Record(number) => format!("redis-sync:*object:{BUCKET}*/{}", object(number)),
            Loss::Parts(number) => format!("redis-sync:*part:{BUCKET}*/{}", object(number)),
            Loss::Everything => return self.flush().await,
        };
        for node in self.target.nodes() {
            let names = node.command(&["KEYS", &pattern]).await.unwrap();
            for name in names.lines() {
                node.command(&["DEL", name]).await.unwrap();
            }
        }
    }

    async fn flush(&self) {
        for node in self.target.nodes() {
            node.command(&["FLUSHALL"]).await.unwrap();
        }
    }

    /// Ends what a history before has left, and empties everything.
    async fn empty(&mut self) {
        self.gate.open(false);
        for host in 0..self.hosts.number() {
            if self.hosts.at_work() > 0 {
                self.gate.cut(host);
                self.hosts.die(host).await;
            }
        }
        self.hosts.failed().await;
        self.give_rights().await;
        self.settled().await;
        self.gate.forget();
        self.target.forget_calls().await;
        self.flush().await;
        for key in self.s3.keys() {
            self.s3.delete(&key);
        }
        guest::upload(&self.s3);
    }
}
