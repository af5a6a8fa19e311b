//! How far a history has been played, and what the bucket means by then.

use super::player::PLUGIN;
use super::steps::{Content, History, letter, object};
use proptest::sample::Index;
use redis_sync_local::S3;
use redis_sync_tests::bookkeeping::Meaning;
use redis_sync_tests::snapshot::Snapshot;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A history that is being played.
#[derive(Default)]
pub(super) struct Progress {
    /// What is in the bucket.
    pub(super) objects: BTreeMap<usize, Content>,
    /// The variant of the plugin; none where it is the first one, or was removed.
    pub(super) plugin: Option<u8>,
    /// The keys that each change concerns.
    pub(super) changes: Vec<Vec<String>>,
    /// The changes that an event has told a deployment of.
    pub(super) delivered: BTreeSet<(usize, usize)>,
    /// Objects whose events have failed at a deployment, or died with its host: they are delivered again.
    pub(super) failed: BTreeSet<(usize, String)>,
    /// All that each object has been.
    pub(super) versions: BTreeMap<usize, Vec<Content>>,
    /// What the replicas of Redis servers have, by the server's place, where that is not everything.
    pub(super) replicas: BTreeMap<usize, Snapshot>,
    /// Whether something was lost that only a sync brings back.
    pub(super) needs_sync: bool,
    /// Whether a sync has failed, or died with its host: what it has noted of objects stays until the next one.
    pub(super) sync_undone: bool,
    /// Whether what was lost may be what objects yield, and not only what is kept besides.
    pub(super) has_lost_data: bool,
    /// Whether that is whose keys are whose.
    pub(super) has_lost_owners: bool,
    /// Which requests go on in the end.
    last: Vec<Index>,
    /// How many have gone on.
    gone_on: usize,
}

impl Progress {
    pub(super) fn of(history: &History) -> Self {
        Self {
            last: history.last.clone(),
            ..Self::default()
        }
    }

    /// Which of so many requests that wait in the end goes on.
    pub(super) fn next_of(&mut self, waiting: usize) -> usize {
        let place = self.last.get(self.gone_on % self.last.len());
        self.gone_on += 1;
        match place {
            Some(place) if waiting > 0 => place.index(waiting),
            _ => 0,
        }
    }

    /// Whether Redis may lack something before the next sync. One of two objects that claim a key removes it when it
    /// does not yield it any more, unless it is known that the other one has it.
    pub(super) fn may_lack(&self) -> bool {
        self.has_lost_data || self.has_lost_owners && self.was_contested()
    }

    /// Whether two objects have ever claimed one key.
    fn was_contested(&self) -> bool {
        let mut claimed: BTreeSet<u8> = BTreeSet::new();
        self.versions.values().any(|versions| {
            let shared = versions.iter().flat_map(|content| &content.shared);
            let shared: BTreeSet<u8> = shared.copied().collect();
            let contested = !shared.is_disjoint(&claimed);
            claimed.extend(shared);
            contested
        })
    }

    /// Objects to delete so that no two claim one key.
    pub(super) fn clashing(&self) -> Vec<usize> {
        let mut claimed: BTreeSet<u8> = BTreeSet::new();
        let clashes = |(_, content): &(&usize, &Content)| {
            let clash = content.shared.iter().any(|key| claimed.contains(key));
            claimed.extend(&content.shared);
            clash
        };
        let clashing = self.objects.iter().filter(clashes);
        clashing.map(|(object, _)| *object).collect()
    }

    /// The transforms of what is in the bucket: all that Redis should hold, of deployments with these prefixes.
    pub(super) fn expected(&self, prefixes: &[&str]) -> Value {
        let each = prefixes
            .iter()
            .flat_map(|prefix| self.expected_under(prefix));
        Value::Object(each.collect())
    }

    fn expected_under(&self, prefix: &str) -> Map<String, Value> {
        let mut expected = Map::new();
        for (object, content) in &self.objects {
            let value = if self.removed_plugin() {
                json!(content.body(*object))
            } else {
                content.value()
            };
            let keys = self.keys(*object, content).into_iter();
            expected.extend(keys.map(|key| (format!("{prefix}{key}"), value.clone())));
        }
        expected
    }

    /// The same for what is kept besides by one of them.
    pub(super) fn meaning(&self, s3: &S3, prefix: &str) -> Meaning {
        let objects = self.objects.iter();
        let yields: Vec<_> = objects
            .map(|(number, content)| {
                let keys = self.keys(*number, content).into_iter();
                let keys: BTreeSet<String> = keys.map(|key| format!("{prefix}{key}")).collect();
                (object(*number), keys)
            })
            .collect();
        Meaning::of(
            s3,
            yields
                .iter()
                .map(|(key, keys)| (key.as_str(), keys.clone())),
        )
    }

    /// The Redis keys of an object.
    fn keys(&self, number: usize, content: &Content) -> BTreeSet<String> {
        if self.removed_plugin() {
            return BTreeSet::from([object(number)]);
        }
        let prefix = self.plugin.map_or("", letter);
        let keys = content.keys(number).into_iter();
        keys.map(|key| format!("{prefix}{key}")).collect()
    }

    /// Whether the plugin that is there at the start has been removed, and none uploaded since.
    fn removed_plugin(&self) -> bool {
        self.plugin.is_none() && self.changes.iter().any(|keys| keys == &[PLUGIN])
    }
}
