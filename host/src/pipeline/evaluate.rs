//! What an object is to be in Redis: read it, find its route, have its plugins run.
//!
//! An evaluation writes nothing and takes no ticket, so that a dry run is one and no more. Keeping
//! machine code for other processes is a call of its own.

use super::decide::{self, Rerun, Rules};
use super::error::{ChangeError, TransformError};
use super::notes::Stage;
use super::room::{Conditions, Room, Rooms};
use super::transform::{Transform, Transforms, Used};
use crate::budget::{Account, Budget};
use crate::entry::{Entry, EntryError, EntrySet, Value};
use crate::ledger::{Record, Source, Write};
use crate::number::to_u64;
use crate::object::Object;
use crate::plugin::Loaded;
use crate::report::{ObjectReport, Outcome, Reason};
use crate::route::{PluginList, Resolution};
use crate::settings::{Settings, Unmatched};
use crate::store::{SizeLimit, Store};
use std::time::Instant;

/// Evaluates objects.
pub(super) struct Evaluator {
    store: Store,
    pub(super) transforms: Transforms,
    rules: Rules,
    pub(super) rooms: Rooms,
    /// The largest object that is read.
    pub(super) size_limit: SizeLimit,
    /// Prefixes of what is in the bucket for our own use.
    own_prefixes: [String; 2],
}

/// What an object is to be.
pub(super) struct Evaluation {
    pub(super) source: Source,
    pub(super) write: Write,
    /// The memory of what is to be written.
    pub(super) room: Option<Room>,
    /// The plugins of its route.
    pub(super) loaded: LoadedPlugins,
    pub(super) foreseen: Foreseen,
}

/// What is to be reported of an object if its evaluation is committed.
pub(super) struct Foreseen {
    pub(super) outcome: Outcome,
    /// The names of its route's plugins, joined by commas.
    plugin: Option<String>,
    /// Fuel used, where a plugin ran.
    pub(super) fuel: Option<u64>,
    /// The most memory that one of them had, in bytes.
    pub(super) memory_bytes: Option<u64>,
}

/// Plugins that were loaded for an object.
#[derive(Clone, Default)]
pub(crate) struct LoadedPlugins(Vec<Loaded>);

impl LoadedPlugins {
    fn of(transform: Option<&Transform<'_>>) -> Self {
        let steps = transform.iter().flat_map(|transform| &transform.steps);
        Self(steps.map(|(_, loaded)| loaded.clone()).collect())
    }
}

impl Evaluator {
    pub(super) fn new(
        store: Store,
        transforms: Transforms,
        budget: Budget,
        settings: &Settings,
    ) -> Self {
        Self {
            rooms: Rooms {
                budget,
                body_bytes: settings.max_object_bytes,
                limits: settings.limits,
            },
            store,
            transforms,
            rules: Rules {
                key_prefix: settings.redis.key_prefix.clone(),
                unmatched: settings.unmatched,
            },
            size_limit: SizeLimit::of("MAX_OBJECT_BYTES", settings.max_object_bytes),
            own_prefixes: settings.own_prefixes().map(str::to_owned),
        }
    }

    /// Reads the object and works out what it is to be, compared with what is recorded of it. What
    /// takes its time without being the object's own, loading its plugins, comes before any memory
    /// is held.
    pub(super) async fn evaluate(
        &self,
        key: &str,
        record: &Record,
        plugins: &PluginList,
        conditions: Conditions<'_>,
    ) -> Result<Evaluation, ChangeError> {
        // What has come to lie under a prefix of ours is no config object any more.
        if self.own_prefixes.iter().any(|own| key.starts_with(own)) {
            return Ok(Evaluation::gone());
        }
        let (route, started) = (plugins.resolve(key), Instant::now());
        let transform = match &route {
            Resolution::Route(route) => self.transforms.load(key, route, plugins).await.map(Some),
            Resolution::Unmatched => Ok(None),
            Resolution::Broken(why) => Err(TransformError::new(Reason::Route, why.clone()).into()),
        };
        let loaded = transform.as_ref().ok().and_then(Option::as_ref);
        if let Some(transform) = loaded {
            conditions.notes.transform(transform);
        }
        conditions.notes.time(Stage::Load, started);
        let started = Instant::now();
        let account = self.rooms.open(key, loaded, conditions).await?;
        // An object that is gone is deleted, whatever its route has come to.
        let read = self.store.object(key, self.size_limit, &account);
        let read = read.await;
        conditions.notes.time(Stage::Read, started);
        let Some(object) = read? else {
            return Ok(Evaluation::gone());
        };
        let transform = transform?;
        self.decide(&object, record, transform.as_ref(), conditions, &account)
            .await
    }

    /// Works out what an object that was read is to be.
    pub(super) async fn decide(
        &self,
        object: &Object,
        record: &Record,
        transform: Option<&Transform<'_>>,
        conditions: Conditions<'_>,
        account: &Account,
    ) -> Result<Evaluation, ChangeError> {
        conditions.notes.object(object, record);
        let basis = decide::basis(&object.etag, &self.rules, transform);
        let fingerprint = decide::fingerprint(object, &basis);
        let may_keep = conditions.rerun == Rerun::IfChanged;
        let mut evaluation = Evaluation {
            source: source(object, fingerprint.clone(), basis.clone(), transform),
            write: Write::Unchanged,
            room: None,
            loaded: LoadedPlugins::of(transform),
            foreseen: Foreseen {
                outcome: Outcome::Unchanged,
                plugin: transform.map(Transform::label),
                fuel: None,
                memory_bytes: None,
            },
        };
        if may_keep && decide::is_unchanged(record, &fingerprint) {
            return Ok(evaluation);
        }
        let (entries, held) = match transform {
            Some(transform) => {
                let on = |error: TransformError| error.on(&basis);
                let started = Instant::now();
                let ran = self.transforms.run(object, transform, account).await;
                conditions.notes.time(Stage::Run, started);
                let ran = ran.map_err(on)?;
                evaluation.foreseen.fuel = Some(ran.used.fuel);
                evaluation.foreseen.memory_bytes = Some(ran.used.memory_bytes);
                let entries = self.checked(object, transform, ran.entries, ran.used);
                (entries.map_err(on)?, ran.held)
            }
            None => {
                let copy = account.take(to_u64(object.body.len())).await;
                (self.without_transform(object)?, copy)
            }
        };
        if may_keep && decide::yields_the_same(record, &basis, &entries) {
            return Ok(evaluation);
        }
        let skipped = transform.is_none() && self.rules.unmatched == Unmatched::Skip;
        evaluation.foreseen.outcome = if skipped {
            Outcome::Skipped
        } else {
            Outcome::Synced
        };
        evaluation.write = Write::Entries(entries);
        evaluation.room = Some(Room::new(account, held));
        Ok(evaluation)
    }

    /// The basis of a listed object's entries now, and its plugins; `None` where its route is broken.
    pub(super) async fn basis(
        &self,
        key: &str,
        etag: &str,
        plugins: &PluginList,
    ) -> Result<Option<(String, LoadedPlugins)>, ChangeError> {
        let route = plugins.resolve(key);
        let transform = match &route {
            Resolution::Route(route) => Some(self.transforms.load(key, route, plugins).await?),
            Resolution::Unmatched => None,
            Resolution::Broken(_) => return Ok(None),
        };
        let basis = decide::basis(etag, &self.rules, transform.as_ref());
        Ok(Some((basis, LoadedPlugins::of(transform.as_ref()))))
    }

    /// SHA-256 of the plugin of that name; `None` where it is not there or cannot be loaded.
    pub(super) async fn plugin_digest(&self, name: &str, plugins: &PluginList) -> Option<String> {
        plugins.modules.get(name)?;
        let loaded = self.transforms.load_plugin(name, plugins).await.ok()?;
        Some(loaded.ok()?.digest.to_string())
    }

    /// Loads the plugins of an object's route, so that its evaluation need not wait for them. What
    /// fails is told by the evaluation.
    pub(super) async fn load(&self, key: &str, plugins: &PluginList) {
        if let Resolution::Route(route) = plugins.resolve(key) {
            let _ = self.transforms.load(key, &route, plugins).await;
        }
    }

    /// Keeps the machine code of the plugins of an object's route, as far as they can be loaded.
    pub(super) async fn keep_artifacts_of(&self, key: &str, plugins: &PluginList) {
        if let Resolution::Route(route) = plugins.resolve(key)
            && let Ok(transform) = self.transforms.load(key, &route, plugins).await
        {
            self.keep_artifacts(&LoadedPlugins::of(Some(&transform)))
                .await;
        }
    }

    /// Keeps the machine code of these plugins for other processes, where it is not kept yet.
    pub(super) async fn keep_artifacts(&self, plugins: &LoadedPlugins) {
        for plugin in &plugins.0 {
            self.transforms.keep_artifact(plugin).await;
        }
    }

    /// What a route's last plugin returned, as far as it may be stored.
    fn checked(
        &self,
        object: &Object,
        transform: &Transform<'_>,
        entries: Vec<Entry>,
        used: Used,
    ) -> Result<EntrySet, TransformError> {
        let refuse = |why: String| {
            let (plugin, key) = (transform.last_plugin(), &object.key);
            let why =
                format!("plugin `{plugin}` returned what cannot be stored for `{key}`: {why}");
            transform.failed(used, why, Reason::Entries)
        };
        if let Some(globs) = &transform.route.keys
            && let Some(entry) = entries.iter().find(|entry| !globs.allow(&entry.key))
        {
            return Err(refuse(format!(
                "its route does not let it write the key `{}` (keys = {:?})",
                entry.key, globs.patterns
            )));
        }
        self.entry_set(entries, transform.route.ttl_seconds)
            .map_err(|error| refuse(error.to_string()))
    }

    /// What becomes of an object that no route takes.
    fn without_transform(&self, object: &Object) -> Result<EntrySet, TransformError> {
        let entries = match self.rules.unmatched {
            Unmatched::Skip => Vec::new(),
            Unmatched::Store => vec![Entry {
                key: object.key.clone(),
                value: Value::Bytes(object.body.to_vec()),
                ttl_seconds: None,
            }],
        };
        self.entry_set(entries, None).map_err(|error| {
            let why = format!("`{}` cannot be stored as it is: {error}", object.key);
            TransformError::new(Reason::Entries, why)
        })
    }

    fn entry_set(
        &self,
        entries: Vec<Entry>,
        ttl_seconds: Option<u64>,
    ) -> Result<EntrySet, EntryError> {
        EntrySet::new(entries, &self.rules.key_prefix, ttl_seconds)
    }
}

fn source(
    object: &Object,
    fingerprint: String,
    basis: String,
    transform: Option<&Transform<'_>>,
) -> Source {
    let plugins = transform
        .iter()
        .flat_map(|transform| &transform.steps)
        .map(|(name, loaded)| ((*name).to_owned(), loaded.digest.to_string()));
    Source::Object {
        etag: object.etag.clone(),
        version_id: object.version_id.clone(),
        last_modified: object.last_modified,
        fingerprint,
        basis,
        plugins: plugins.collect(),
        author: None,
    }
}

impl Evaluation {
    /// The object is not in the bucket: it yields nothing.
    fn gone() -> Self {
        Self {
            source: Source::Gone,
            write: Write::Entries(EntrySet::default()),
            room: None,
            loaded: LoadedPlugins::default(),
            foreseen: Foreseen {
                outcome: Outcome::Deleted,
                plugin: None,
                fuel: None,
                memory_bytes: None,
            },
        }
    }
}

impl Foreseen {
    /// The report of the object, which has so many Redis keys in the end.
    pub(super) fn report(self, key: &str, entries: usize) -> ObjectReport {
        ObjectReport {
            entries,
            plugin: self.plugin,
            fuel: self.fuel,
            ..ObjectReport::done(key, self.outcome)
        }
    }
}
