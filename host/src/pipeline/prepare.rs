//! From ticket to proposal: read the object, pick the route, run the plugins.

use super::{ChangeError, Pipeline};
use crate::entry::{Entry, EntrySet, Value};
use crate::fingerprint::Fingerprint;
use crate::ledger::{Proposal, Source, Ticket, Write};
use crate::object::Object;
use crate::plugin::{Loaded, MAX_MODULE_BYTES, Module};
use crate::report::Outcome;
use crate::route::{Resolution, Route, Routes};
use crate::sandbox::{Input, Ran};
use crate::settings::{Limits, Unmatched};
use crate::store::StoreError;
use std::sync::Arc;

/// Part of every fingerprint: raise it where the host makes other entries of the same object.
const FORMAT: &str = "1";

/// Whether what is recorded may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is unchanged is kept.
    Normal,
    /// Everything is run and written.
    Rewrite,
}

/// A proposal and what to report of it.
pub(super) struct Prepared {
    pub(super) proposal: Proposal,
    /// What becomes of the object if the proposal holds.
    pub(super) outcome: Outcome,
    pub(super) plugin: Option<String>,
    pub(super) fuel: Option<u64>,
    /// Redis keys of an object that is kept as it is.
    pub(super) kept: usize,
}

/// A route with its modules loaded.
pub(super) struct Transform<'a> {
    route: &'a Route,
    /// Name and plugin, in order.
    steps: Vec<(&'a str, Loaded)>,
    limits: Limits,
}

impl Transform<'_> {
    fn label(&self) -> String {
        self.route.plugins.join(",")
    }
}

impl Pipeline {
    /// Reads whatever decides the result, all of it after the ticket, and works it out.
    pub(super) async fn prepare(
        &self,
        key: &str,
        ticket: Ticket,
        routes: &Routes,
        mode: Mode,
    ) -> Result<Prepared, ChangeError> {
        let Some(object) = self
            .store
            .object(key, self.settings.max_object_bytes)
            .await?
        else {
            return Ok(gone(key, ticket));
        };
        let resolution = routes.resolve(key);
        let transform = match &resolution {
            Resolution::Route(route) => Some(self.load(key, route, routes).await?),
            Resolution::Unmatched => None,
            Resolution::Broken(why) => return Err(transform_error(None, None, why.clone())),
        };
        let basis = self.basis(&object.etag, transform.as_ref());
        let fingerprint = fingerprint(&object, &basis);
        let unchanged = ticket.record.fingerprint.as_deref() == Some(&fingerprint)
            && ticket.record.digest.is_some();
        let plugin = transform.as_ref().map(Transform::label);
        let source = Source::Object {
            etag: object.etag.clone(),
            version_id: object.version_id.clone(),
            last_modified: object.last_modified,
            fingerprint,
            basis: basis.clone(),
            plugins: transform
                .iter()
                .flat_map(|transform| &transform.steps)
                .map(|(name, loaded)| ((*name).to_owned(), loaded.digest.to_string()))
                .collect(),
        };
        if unchanged && mode == Mode::Normal {
            return self.keep(key, ticket, source, plugin).await;
        }
        let (entries, fuel) = match &transform {
            Some(transform) => self.run(&object, transform).await?,
            None => (self.unmatched(&object)?, None),
        };
        let same = ticket.record.basis == Some(basis)
            && ticket.record.digest.as_deref() == Some(&entries.digest());
        if same && mode == Mode::Normal {
            // Put again with the same content: what the plugin sees besides it made no difference.
            return Ok(Prepared {
                fuel,
                ..self.keep(key, ticket, source, plugin).await?
            });
        }
        let outcome = if transform.is_none() && self.settings.unmatched == Unmatched::Skip {
            Outcome::Skipped
        } else {
            Outcome::Synced
        };
        let proposal = Proposal {
            key: key.to_owned(),
            ticket,
            source,
            write: Write::Entries(entries),
        };
        Ok(Prepared {
            proposal,
            outcome,
            plugin,
            fuel,
            kept: 0,
        })
    }

    async fn keep(
        &self,
        key: &str,
        ticket: Ticket,
        source: Source,
        plugin: Option<String>,
    ) -> Result<Prepared, ChangeError> {
        let kept = match &ticket.record.keys {
            Some(keys) => keys.len(),
            None => self.ledger.recorded_keys(key).await?.len(),
        };
        let proposal = Proposal {
            key: key.to_owned(),
            ticket,
            source,
            write: Write::Keep,
        };
        Ok(Prepared {
            proposal,
            outcome: Outcome::Unchanged,
            plugin,
            fuel: None,
            kept,
        })
    }

    /// Loads the route's modules and checks their digests.
    pub(super) async fn load<'a>(
        &self,
        key: &str,
        route: &'a Route,
        routes: &Routes,
    ) -> Result<Transform<'a>, ChangeError> {
        let mut steps = Vec::with_capacity(route.plugins.len());
        for (name, pinned) in route.plugins.iter().zip(&route.digests) {
            let refuse = |why: String| {
                transform_error(
                    Some(name.clone()),
                    None,
                    format!("plugin `{name}` cannot run on `{key}`: {why}"),
                )
            };
            let etag = routes
                .modules
                .get(name)
                .map(String::as_str)
                .unwrap_or_default();
            let loaded = self
                .library
                .load(name, etag, self.module(name))
                .await?
                .map_err(|error| refuse(error.to_string()))?;
            if pinned
                .as_deref()
                .is_some_and(|digest| *digest != *loaded.digest)
            {
                return Err(refuse(format!(
                    "its SHA-256 is {}, not the one its route names",
                    loaded.digest
                )));
            }
            steps.push((name.as_str(), loaded));
        }
        Ok(Transform {
            route,
            steps,
            limits: self.limits(route),
        })
    }

    async fn module(&self, name: &str) -> Result<Module, StoreError> {
        let key = format!("{}{name}", self.settings.plugins_prefix);
        let cause = "it is listed, but not there".to_owned();
        match self.store.object(&key, MAX_MODULE_BYTES).await? {
            Some(object) => Ok(Module {
                etag: object.etag,
                bytes: object.body,
            }),
            None => Err(StoreError::Unavailable {
                action: "read",
                key,
                cause,
            }),
        }
    }

    fn limits(&self, route: &Route) -> Limits {
        let limits = self.settings.limits;
        Limits {
            fuel: route.fuel.unwrap_or(limits.fuel),
            time: route.time.unwrap_or(limits.time),
            memory_bytes: route
                .memory_mib
                .and_then(|mib| usize::try_from(mib).ok())
                .map_or(limits.memory_bytes, |mib| mib << 20),
            output_bytes: limits.output_bytes,
        }
    }

    /// Runs the route's plugins, each on what the one before it returned.
    async fn run(
        &self,
        object: &Object,
        transform: &Transform<'_>,
    ) -> Result<(EntrySet, Option<u64>), ChangeError> {
        let (mut object, mut fuel) = (object.clone(), 0);
        let Some(((last, last_loaded), before)) = transform.steps.split_last() else {
            return Ok((EntrySet::default(), None));
        };
        for (name, loaded) in before {
            let entries = self
                .step(&object, name, loaded, transform, &mut fuel)
                .await?;
            object.body = single_bytes(entries).ok_or_else(|| {
                let why = format!("plugin `{name}` must return a single bytes entry of `{}`, since another plugin follows", object.key);
                transform_error(Some(transform.label()), Some(fuel), why)
            })?;
        }
        let entries = self
            .step(&object, last, last_loaded, transform, &mut fuel)
            .await?;
        let refuse = |why: String| {
            let message = format!(
                "plugin `{last}` returned what cannot be stored for `{}`: {why}",
                object.key
            );
            transform_error(Some(transform.label()), Some(fuel), message)
        };
        if let Some(globs) = &transform.route.keys
            && let Some(entry) = entries.iter().find(|entry| !globs.allow(&entry.key))
        {
            return Err(refuse(format!(
                "its route does not let it write the key `{}` (keys = {:?})",
                entry.key, globs.patterns
            )));
        }
        let set = self
            .entry_set(entries, transform.route.ttl_seconds)
            .map_err(|error| refuse(error.to_string()))?;
        Ok((set, Some(fuel)))
    }

    async fn step(
        &self,
        object: &Object,
        name: &str,
        loaded: &Loaded,
        transform: &Transform<'_>,
        fuel: &mut u64,
    ) -> Result<Vec<Entry>, ChangeError> {
        let ran = self.run_sandboxed(object, name, loaded, transform).await;
        *fuel = fuel.saturating_add(ran.fuel);
        ran.result.map_err(|failure| {
            let message = failure.describe(name, &object.key);
            transform_error(Some(transform.label()), Some(*fuel), message)
        })
    }

    async fn run_sandboxed(
        &self,
        object: &Object,
        name: &str,
        loaded: &Loaded,
        transform: &Transform<'_>,
    ) -> Ran {
        // The semaphore is never closed. The run itself holds the permit: it goes on, until its own
        // limits end it, when whoever waits for it gives up.
        let permit = Arc::clone(&self.runs).acquire_owned().await;
        let (object, name, loaded) = (object.clone(), name.to_owned(), loaded.clone());
        let (settings, output, limits) = (
            Arc::new(transform.route.settings.clone()),
            transform.route.output,
            transform.limits,
        );
        let run = move || {
            let _permit = permit;
            loaded.plugin.run(&Input {
                plugin: &name,
                digest: &loaded.digest,
                object: &object,
                settings: &settings,
                output,
                limits,
            })
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(ran) => ran,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn unmatched(&self, object: &Object) -> Result<EntrySet, ChangeError> {
        let entries = match self.settings.unmatched {
            Unmatched::Skip => Vec::new(),
            Unmatched::Store => vec![Entry {
                key: object.key.clone(),
                value: Value::Bytes(object.body.to_vec()),
                ttl_seconds: None,
            }],
        };
        let refuse = |error: crate::entry::EntryError| {
            transform_error(
                None,
                None,
                format!("`{}` cannot be stored as it is: {error}", object.key),
            )
        };
        self.entry_set(entries, None).map_err(refuse)
    }

    fn entry_set(
        &self,
        entries: Vec<Entry>,
        ttl_seconds: Option<u64>,
    ) -> Result<EntrySet, crate::entry::EntryError> {
        EntrySet::new(entries, &self.settings.redis.key_prefix, ttl_seconds)
    }

    /// Whatever decides the result, apart from what a plugin sees of the object besides its content.
    pub(super) fn basis(&self, etag: &str, transform: Option<&Transform<'_>>) -> String {
        let all = Fingerprint::new()
            .part(FORMAT)
            .part(etag)
            .part(&self.settings.redis.key_prefix);
        let Some(Transform {
            route,
            steps,
            limits,
        }) = transform
        else {
            return all.part(format!("{:?}", self.settings.unmatched)).hex();
        };
        all.parts(
            steps
                .iter()
                .flat_map(|(name, loaded)| [*name, &*loaded.digest]),
        )
        .parts(
            route
                .settings
                .iter()
                .flat_map(|(name, value)| [name, value]),
        )
        .part(format!("{:?}", route.output))
        .parts(route.keys.iter().flat_map(|globs| &globs.patterns))
        .optional(route.ttl_seconds.map(u64::to_le_bytes))
        .part(format!("{limits:?}"))
        .hex()
    }
}

fn gone(key: &str, ticket: Ticket) -> Prepared {
    let proposal = Proposal {
        key: key.to_owned(),
        ticket,
        source: Source::Gone,
        write: Write::Entries(EntrySet::default()),
    };
    Prepared {
        proposal,
        outcome: Outcome::Deleted,
        plugin: None,
        fuel: None,
        kept: 0,
    }
}

/// Everything of the object that a plugin can see stands for it.
fn fingerprint(object: &Object, basis: &str) -> String {
    Fingerprint::new()
        .part(basis)
        .optional(object.version_id.as_ref())
        .part(object.last_modified.to_le_bytes())
        .optional(object.content_type.as_ref())
        .parts(
            object
                .metadata
                .iter()
                .flat_map(|(name, value)| [name, value]),
        )
        .hex()
}

fn single_bytes(entries: Vec<Entry>) -> Option<bytes::Bytes> {
    let [
        Entry {
            value: Value::Bytes(bytes),
            ..
        },
    ] = <[Entry; 1]>::try_from(entries).ok()?
    else {
        return None;
    };
    Some(bytes.into())
}

fn transform_error(plugin: Option<String>, fuel: Option<u64>, message: String) -> ChangeError {
    ChangeError::Transform {
        plugin,
        fuel,
        message,
    }
}
