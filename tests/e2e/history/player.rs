//! Playing histories.

use super::hosts::{Hosts, Place, Undone, Work};
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
use std::collections::btree_map::Entry;

/// Where the plugin is.
pub(super) const PLUGIN: &str = "plugins/flags.wasm";

/// How often what failed is delivered again.
const REDELIVERIES: usize = 10;

/// How many of an object's states it may become again.
const RECENT: usize = 3;

/// Hosts of a history, of each deployment.
const HOSTS: usize = 3;

/// The same where there are two.
const HOSTS_OF_TWO: usize = 2;

/// A bucket, hosts, a gate before them, and what they keep equal to the bucket. It plays one history
/// after the other.
pub(crate) struct Player {
    hosts: Hosts,
    pub(super) gate: Gate,
    pub(super) s3: S3,
    pub(super) target: Target,
    /// The prefixes of the deployments, which take the hosts in turn.
    pub(super) prefixes: &'static [&'static str],
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
            rights.give(target.primaries()).await;
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
        let mut progress = Progress::of(history);
        for step in &history.steps {
            self.settled().await;
            self.step(&mut progress, step).await;
        }
        let clashing = progress.clashing();
        if history.clashes && !clashing.is_empty() {
            // As long as two objects claim one key, one of them fails, and is what it was before.
            let _ = self.finish(&mut progress).await;
            self.work_ends(&mut progress).await;
            self.note_failures(&mut progress).await;
            self.all_or_nothing(&progress).await?;
        }
        for number in clashing {
            self.step(&mut progress, &Step::Delete(number)).await;
        }
        self.finish(&mut progress).await?;
        if !progress.needs_sync && progress.sync_undone {
            self.holds_what_is_meant(&progress).await?;
        } else if progress.needs_sync && !progress.may_lack() {
            self.nothing_is_missing(&progress).await?;
        }
        self.gate.open(true);
        if progress.needs_sync || progress.sync_undone {
            for deployment in 0..self.prefixes.len() {
                self.hosts.sync_to_the_end(deployment).await?;
            }
        }
        self.compare(&progress).await
    }

    /// The deployment of a host.
    fn deployment(&self, host: usize) -> usize {
        host % self.prefixes.len()
    }

    async fn step(&mut self, progress: &mut Progress, step: &Step) {
        match step {
            Step::Put(number, content) => self.put(progress, *number, content),
            Step::Revert(number, version) => {
                let versions = progress.versions.get(number);
                let mut last = versions.into_iter().flatten().rev().take(RECENT);
                if let Some(content) = last.nth(version.index(RECENT)).cloned() {
                    self.put(progress, *number, &content);
                }
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
                    self.deliver(progress, change, *host);
                }
            }
            Step::DeliverLast(host) => {
                if let Some(last) = progress.changes.len().checked_sub(1) {
                    self.deliver(progress, last, *host);
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
                for undone in self.hosts.die(host).await {
                    self.is_to_be_done_again(progress, undone);
                }
            }
            Step::Again(place) => {
                if self.gate.past() > 0 {
                    let place = place.index(self.gate.past());
                    self.gate.again(place).await.unwrap();
                }
            }
            Step::Lose(loss) => {
                progress.needs_sync = true;
                progress.has_lost_data |= matches!(loss, Loss::Everything);
                progress.has_lost_owners |= matches!(loss, Loss::Owners);
                self.lose(*loss).await;
            }
            Step::Earlier => {
                progress.needs_sync = true;
                for node in self.target.primaries() {
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
                    progress.has_lost_data = true;
                    self.gate.cut_to(redis);
                    replica.restore(redis).await;
                }
            }
            Step::Clock(server, ahead) => {
                self.gate.set_clock(self.server(*server).1, (*ahead).into());
            }
            Step::Refuse(Some(place)) => {
                Rights::take(self.target.primaries(), place.get::<&str>(&WRITES)).await;
            }
            Step::Refuse(None) => self.give_rights().await,
        }
    }

    fn deliver(&mut self, progress: &mut Progress, change: usize, host: Index) {
        let host = host.index(self.hosts.number());
        progress.delivered.insert((self.deployment(host), change));
        let objects = progress.changes[change].clone();
        self.hosts.deliver(host, objects, self.gate.nudge());
    }

    fn put(&self, progress: &mut Progress, number: usize, content: &Content) {
        self.s3.put(&object(number), content.body(number));
        progress.objects.insert(number, content.clone());
        let versions = progress.versions.entry(number).or_default();
        versions.push(content.clone());
        progress.changes.push(vec![object(number)]);
    }

    fn server(&self, place: Index) -> (usize, &Redis) {
        let servers = self.target.primaries();
        let place = place.index(servers.len());
        (place, &servers[place])
    }

    /// Waits until each host waits at the gate.
    pub(super) async fn settled(&self) {
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

    /// Delivers what was not delivered, and again what failed, and lets everything through.
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
            self.work_ends(progress).await;
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
    async fn work_ends(&self, progress: &mut Progress) {
        while self.hosts.at_work() > 0 {
            self.settled().await;
            let waiting = self.gate.waiting();
            match waiting.get(progress.next_of(waiting.len())) {
                Some(next) => self.gate.decide(next, Fate::Pass),
                None if self.hosts.at_work() > 0 => self.gate.changed().await,
                None => {}
            }
        }
    }

    /// What has failed is to be done again; why it has.
    async fn note_failures(&mut self, progress: &mut Progress) -> Vec<Failure> {
        let mut failures = Vec::new();
        for mut undone in self.hosts.failed().await {
            failures.append(&mut undone.failures);
            self.is_to_be_done_again(progress, undone);
        }
        failures
    }

    /// An event is delivered again, and a sync is repeated in the end.
    fn is_to_be_done_again(&self, progress: &mut Progress, undone: Undone) {
        let deployment = self.deployment(undone.host);
        match undone.work {
            Work::Event(objects) => {
                let objects = objects.into_iter().map(|key| (deployment, key));
                progress.failed.extend(objects);
            }
            Work::Sync => progress.sync_undone = true,
        }
    }

    /// One of the hosts of a deployment.
    fn host_of(&self, deployment: usize, place: usize) -> usize {
        let each = self.hosts.number() / self.prefixes.len();
        deployment + place % each * self.prefixes.len()
    }

    /// The user of Redis may do all that it might at the start.
    async fn give_rights(&self) {
        if let Some(rights) = &self.rights {
            rights.give(self.target.primaries()).await;
        }
    }

    async fn lose(&self, loss: Loss) {
        let pattern = match loss {
            Loss::Owners => "redis-sync:*owners".to_owned(),
            Loss::Generation => "redis-sync:*generation:*".to_owned(),
            Loss::Index => "redis-sync:*index:*".to_owned(),
            Loss::Record(number) => format!("redis-sync:*object:{BUCKET}*/{}", object(number)),
            Loss::Parts(number) => format!("redis-sync:*part:{BUCKET}*/{}", object(number)),
            Loss::Staged => return self.lose_of_staged().await,
            Loss::Everything => return self.flush().await,
        };
        for node in self.target.primaries() {
            let names = node.command(&["KEYS", &pattern]).await.unwrap();
            for name in names.lines() {
                node.command(&["DEL", name]).await.unwrap();
            }
        }
    }

    async fn lose_of_staged(&self) {
        for node in self.target.primaries() {
            let staged = node.command(&["KEYS", "redis-sync:*stage:*"]).await;
            for key in staged.unwrap().lines() {
                node.command(&["RPOP", key]).await.unwrap();
            }
        }
    }

    async fn flush(&self) {
        for node in self.target.primaries() {
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
