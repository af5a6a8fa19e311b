//! A route's plugins: loaded, and run on an object, each on what the one before it returned.

use super::error::{ChangeError, TransformError};
use crate::budget::{Account, Held};
use crate::entry::{Entry, Value};
use crate::invocation;
use crate::metrics::Sample;
use crate::number::to_u64;
use crate::object::Object;
use crate::plugin::{Loaded, MAX_MODULE_BYTES, Module, ModuleCache, PluginError};
use crate::report::Reason;
use crate::route::{Candidate, CandidateModule, PluginList, Route};
use crate::sandbox::{Failure, Input, Ran, Yield};
use crate::settings::{Ceilings, Limits, Settings};
use crate::store::{Store, StoreError};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Time a run has to end by itself after its limit. The engine stops guest code within milliseconds;
/// this is the last resort against a call into the host that does not come back.
const GRACE: Duration = Duration::from_secs(5);

/// Loads and runs the plugins of routes.
pub(super) struct Transforms {
    pub(super) modules: ModuleCache,
    /// The bucket that has the modules.
    store: Store,
    /// Prefix of their keys.
    plugins_prefix: String,
    /// Limits of a run where the route sets none.
    limits: Limits,
    /// What a route may set.
    ceilings: Ceilings,
    /// One permit a run: the sandbox has room for so many instances.
    runs: Arc<Semaphore>,
}

/// A route with its modules loaded.
pub(super) struct Transform<'a> {
    pub(super) route: &'a Route,
    /// Name and plugin, in order.
    pub(super) steps: Vec<(&'a str, Loaded)>,
    /// What each of them may use.
    pub(super) limits: Limits,
}

/// What a route's plugins came to.
pub(super) struct Transformed {
    /// What the last one returned.
    pub(super) entries: Vec<Entry>,
    /// The memory that was taken for them.
    pub(super) held: Held,
    pub(super) used: Used,
}

/// What the plugins of a route have used.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    /// All of them together.
    pub(super) fuel: u64,
    /// The most that one of them had.
    pub(super) memory_bytes: u64,
}

impl Transform<'_> {
    /// The names of its plugins, joined by commas.
    pub(super) fn label(&self) -> String {
        self.route.plugins.join(",")
    }

    /// The name of the plugin that makes the entries.
    pub(super) fn last_plugin(&self) -> &str {
        self.steps.last().map_or("", |(name, _)| *name)
    }

    /// A failure of its plugins, which have used so much.
    pub(super) fn failed(&self, used: Used, message: String, reason: Reason) -> TransformError {
        TransformError {
            plugin: Some(self.label()),
            fuel: Some(used.fuel),
            memory_bytes: Some(used.memory_bytes),
            ..TransformError::new(reason, message)
        }
    }
}

impl Transforms {
    pub(super) fn new(modules: ModuleCache, store: Store, settings: &Settings) -> Self {
        Self {
            modules,
            store,
            plugins_prefix: settings.plugins_prefix.clone(),
            limits: settings.limits,
            ceilings: settings.ceilings,
            runs: Arc::new(Semaphore::new(settings.concurrency)),
        }
    }

    /// Loads the route's modules and checks their digests.
    pub(super) async fn load<'a>(
        &self,
        key: &str,
        route: &'a Route,
        plugins: &PluginList,
    ) -> Result<Transform<'a>, ChangeError> {
        let limits = limits(route, self.limits, self.ceilings).map_err(|why| TransformError {
            plugin: Some(route.plugins.join(",")),
            ..TransformError::new(
                Reason::Route,
                format!("`{key}` cannot be transformed: {why}"),
            )
        })?;
        let mut steps = Vec::with_capacity(route.plugins.len());
        for (name, pinned) in route.plugins.iter().zip(&route.digests) {
            let refuse = |why: String, temporary| {
                let message = format!("plugin `{name}` cannot run on `{key}`: {why}");
                TransformError {
                    plugin: Some(name.clone()),
                    temporary,
                    ..TransformError::new(Reason::Module, message)
                }
            };
            let loaded = self
                .load_plugin(name, plugins)
                .await?
                .map_err(|error| refuse(error.to_string(), error.is_temporary()))?;
            if let Some(digest) = pinned
                && **digest != *loaded.digest
            {
                let why = format!(
                    "its SHA-256 is {}, not the one its route names",
                    loaded.digest
                );
                return Err(refuse(why, false).into());
            }
            steps.push((name.as_str(), loaded));
        }
        Ok(Transform {
            route,
            steps,
            limits,
        })
    }

    /// Loads a plugin whose machine code is kept, before anything needs it.
    pub(super) async fn load_kept(&self, name: &str, etag: &str) -> Result<(), StoreError> {
        let fetch = self.fetch(name, None);
        self.modules.load_kept(name, etag, fetch).await
    }

    /// Loads the plugin of that name, or what stands for it.
    pub(super) async fn load_plugin(
        &self,
        name: &str,
        plugins: &PluginList,
    ) -> Result<Result<Loaded, PluginError>, Arc<StoreError>> {
        let etag = plugins.modules.get(name).map_or("", String::as_str);
        let candidate = plugins.candidate_for(name);
        self.modules
            .load(name, etag, self.fetch(name, candidate))
            .await
    }

    /// The fuel that the plugins of a route may use together, where it may run them at all.
    pub(super) fn fuel_limit(&self, route: &Route) -> Option<u64> {
        let limits = limits(route, self.limits, self.ceilings).ok()?;
        Some(limits.fuel.saturating_mul(to_u64(route.plugins.len())))
    }

    /// Keeps a plugin's machine code for other processes, where it is not kept yet.
    pub(super) async fn keep_artifact(&self, plugin: &Loaded) {
        self.modules.keep(plugin).await;
    }

    /// Reads a module, into memory of the account that it is given; a candidate that is in hand takes
    /// none.
    fn fetch(
        &self,
        name: &str,
        candidate: Option<&Candidate>,
    ) -> impl Fn(Account) -> BoxFuture<'static, Result<Module, StoreError>> + Clone + use<> {
        let (key, given) = match candidate.map(|candidate| (&candidate.module, &candidate.etag)) {
            None => (format!("{}{name}", self.plugins_prefix), None),
            Some((CandidateModule::Stored(key), _)) => (key.clone(), None),
            Some((CandidateModule::Given(bytes), etag)) => {
                let (etag, bytes) = (etag.clone(), bytes.clone());
                (String::new(), Some(Module { etag, bytes }))
            }
        };
        let store = self.store.clone();
        move |account| {
            let (store, key, given) = (store.clone(), key.clone(), given.clone());
            Box::pin(async move {
                if let Some(module) = given {
                    return Ok(module);
                }
                match store.object(&key, MAX_MODULE_BYTES, &account).await? {
                    Some(object) => Ok(Module {
                        etag: object.etag,
                        bytes: object.body,
                    }),
                    None => Err(StoreError::Unavailable {
                        action: "read",
                        key,
                        cause: "it is listed, but not there".to_owned(),
                    }),
                }
            })
        }
    }

    /// Runs the route's plugins on an object.
    pub(super) async fn run(
        &self,
        object: &Object,
        transform: &Transform<'_>,
        account: &Account,
    ) -> Result<Transformed, TransformError> {
        let mut object = object.clone();
        let mut ran = Transformed {
            entries: Vec::new(),
            held: account.take(0).await,
            used: Used::default(),
        };
        for (place, (name, loaded)) in transform.steps.iter().enumerate() {
            if place > 0 {
                let (entries, held, used) = (ran.entries, ran.held, ran.used);
                object.body = single_bytes(entries, held).ok_or_else(|| {
                    let before = transform.steps.get(place - 1).map_or("", |(name, _)| *name);
                    let why = format!(
                        "plugin `{before}` must return a single bytes entry of `{}`, since another plugin follows",
                        object.key
                    );
                    transform.failed(used, why, Reason::Entries)
                })?;
            }
            let step = self.run_one(&object, name, loaded, transform, account);
            let step = step.await;
            let headroom = headroom(step.fuel, transform.limits.fuel);
            invocation::measure(&transform.route.name, Sample::FuelHeadroom, headroom);
            let used = Used {
                fuel: ran.used.fuel.saturating_add(step.fuel),
                memory_bytes: ran.used.memory_bytes.max(step.memory_bytes),
            };
            let Yield { entries, held } = step.result.map_err(|failure| {
                let message = failure.describe(name, &object.key);
                TransformError {
                    temporary: failure.is_temporary(),
                    ..transform.failed(used, message, reason(&failure))
                }
            })?;
            ran = Transformed {
                entries,
                held,
                used,
            };
        }
        Ok(ran)
    }

    /// Runs one plugin, on a thread where it may block.
    async fn run_one(
        &self,
        object: &Object,
        name: &str,
        loaded: &Loaded,
        transform: &Transform<'_>,
        account: &Account,
    ) -> Ran {
        let (object, name, loaded) = (object.clone(), name.to_owned(), loaded.clone());
        let (account, account_of_run) = (account.clone(), account.clone());
        let settings = Arc::new(transform.route.settings.clone());
        let (output, limits) = (transform.route.output, transform.limits);
        let run = move || {
            loaded.plugin.run(&Input {
                plugin: &name,
                digest: &loaded.digest,
                object: &object,
                settings: &settings,
                output,
                limits,
                account: &account,
            })
        };
        let stuck = || Ran {
            fuel: limits.fuel,
            memory_bytes: to_u64(limits.memory_bytes),
            result: Err(Failure::Stuck(limits.time)),
        };
        let waits = account_of_run;
        run_bounded(&self.runs, run, limits.time + GRACE, || waits.waited())
            .await
            .unwrap_or_else(stuck)
    }
}

/// What a run has left of its fuel, in percent.
fn headroom(used: u64, limit: u64) -> f64 {
    let left = limit.saturating_sub(used);
    let permille = u128::from(left) * 1000 / u128::from(limit.max(1));
    f64::from(u16::try_from(permille).unwrap_or(1000)) / 10.0
}

fn reason(failure: &Failure) -> Reason {
    match failure {
        Failure::OutOfFuel(_)
        | Failure::OutOfTime(_)
        | Failure::OutOfMemory(_)
        | Failure::OutputTooLarge(_)
        | Failure::StackOverflow
        | Failure::TooManyHandles
        | Failure::TooRandom
        | Failure::Stuck(_) => Reason::Limit,
        Failure::Host(_) => Reason::Memory,
        Failure::Exited(_) | Failure::Trapped(_) | Failure::Returned(_) => Reason::Plugin,
    }
}

/// What the plugins of a route may use: what it sets, and otherwise what the environment does. An
/// error says what is more than a route may have.
fn limits(route: &Route, environment: Limits, ceilings: Ceilings) -> Result<Limits, String> {
    let time_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (own_time, most_time) = (route.time.map(time_ms), ceilings.time.map(time_ms));
    at_most("fuel", route.fuel, "FUEL_CEILING", ceilings.fuel)?;
    at_most("time_ms", own_time, "TIME_CEILING_MS", most_time)?;
    let (own_memory, most_memory) = (route.memory_mib, ceilings.memory_mib);
    at_most("memory_mib", own_memory, "MEMORY_CEILING_MIB", most_memory)?;
    let memory_bytes = route
        .memory_mib
        .and_then(|mib| usize::try_from(mib).ok())
        .map(|mib| mib << 20);
    Ok(Limits {
        fuel: route.fuel.unwrap_or(environment.fuel),
        time: route.time.unwrap_or(environment.time),
        memory_bytes: memory_bytes.unwrap_or(environment.memory_bytes),
        output_bytes: environment.output_bytes,
    })
}

fn at_most<T: PartialOrd + std::fmt::Display>(
    name: &str,
    asked: Option<T>,
    variable: &str,
    ceiling: Option<T>,
) -> Result<(), String> {
    match (asked, ceiling) {
        (Some(asked), Some(ceiling)) if asked > ceiling => Err(format!(
            "its route has {name} = {asked}, more than {variable}={ceiling}"
        )),
        _ => Ok(()),
    }
}

/// Runs `run` on a thread of its own; `None` where it does not end within `limit`, not counting the time
/// it has `waited`. Its place stays taken until it does, also where nobody waits for it any more.
async fn run_bounded<T: Send + 'static>(
    places: &Arc<Semaphore>,
    run: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
    waited: impl Fn() -> Duration,
) -> Option<T> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await;
    let ran = invocation::spawn_blocking(move || {
        let _place = place;
        run()
    });
    tokio::pin!(ran);
    let started = Instant::now();
    loop {
        let over = started + limit + waited();
        match tokio::time::timeout_at(over.into(), &mut ran).await {
            Ok(Ok(ran)) => return Some(ran),
            Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            Err(_) if started + limit + waited() > over => {}
            Err(_) => return None,
        }
    }
}

fn single_bytes(entries: Vec<Entry>, held: Held) -> Option<Bytes> {
    let [entry] = <[Entry; 1]>::try_from(entries).ok()?;
    match entry.value {
        Value::Bytes(bytes) => Some(held.keep(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
