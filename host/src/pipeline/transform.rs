//! A route's plugins: loaded, and run on an object.

use super::prepare::Mode;
use super::{ChangeError, Pipeline};
use crate::entry::{Entry, EntrySet, Value};
use crate::object::Object;
use crate::plugin::{Loaded, MAX_MODULE_BYTES, Module};
use crate::route::{Route, Routes};
use crate::sandbox::{Failure, Input, Ran};
use crate::settings::Limits;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Time a run has to end by itself after its limit. The engine stops guest code within milliseconds;
/// this is the last resort against a call into the host that does not come back.
const GRACE: Duration = Duration::from_secs(5);

/// A route with its modules loaded.
pub(super) struct Transform<'a> {
    pub(super) route: &'a Route,
    /// Name and plugin, in order.
    pub(super) steps: Vec<(&'a str, Loaded)>,
    pub(super) limits: Limits,
}

impl Transform<'_> {
    pub(super) fn label(&self) -> String {
        self.route.plugins.join(",")
    }
}

impl Pipeline {
    /// Loads the route's modules and checks their digests.
    pub(super) async fn load<'a>(
        &self,
        key: &str,
        route: &'a Route,
        routes: &Routes,
        mode: Mode,
    ) -> Result<Transform<'a>, ChangeError> {
        let library = match mode {
            Mode::Normal | Mode::Rewrite => &self.library,
            Mode::Preview { .. } => &self.reading,
        };
        let mut steps = Vec::with_capacity(route.plugins.len());
        for (name, pinned) in route.plugins.iter().zip(&route.digests) {
            let refuse = |why: String, temporary| ChangeError::Transform {
                plugin: Some(name.clone()),
                fuel: None,
                message: format!("plugin `{name}` cannot run on `{key}`: {why}"),
                temporary,
            };
            let etag = routes
                .modules
                .get(name)
                .map(String::as_str)
                .unwrap_or_default();
            let loaded = library
                .load(name, etag, || self.module(name))
                .await?
                .map_err(|error| refuse(error.to_string(), error.is_temporary()))?;
            if pinned
                .as_deref()
                .is_some_and(|digest| *digest != *loaded.digest)
            {
                let why = format!(
                    "its SHA-256 is {}, not the one its route names",
                    loaded.digest
                );
                return Err(refuse(why, false));
            }
            steps.push((name.as_str(), loaded));
        }
        Ok(Transform {
            route,
            steps,
            limits: self.limits(route),
        })
    }

    fn module(&self, name: &str) -> impl Future<Output = Result<Module, StoreError>> + use<> {
        let key = format!("{}{name}", self.settings.plugins_prefix);
        let store = self.store.clone();
        async move {
            let cause = "it is listed, but not there".to_owned();
            match store.object(&key, MAX_MODULE_BYTES).await? {
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
    pub(super) async fn run(
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
        ran.result.map_err(|failure| ChangeError::Transform {
            plugin: Some(transform.label()),
            fuel: Some(*fuel),
            message: failure.describe(name, &object.key),
            temporary: failure.is_temporary(),
        })
    }

    async fn run_sandboxed(
        &self,
        object: &Object,
        name: &str,
        loaded: &Loaded,
        transform: &Transform<'_>,
    ) -> Ran {
        let (object, name, loaded) = (object.clone(), name.to_owned(), loaded.clone());
        let (settings, output, limits) = (
            Arc::new(transform.route.settings.clone()),
            transform.route.output,
            transform.limits,
        );
        let run = move || {
            loaded.plugin.run(&Input {
                plugin: &name,
                digest: &loaded.digest,
                object: &object,
                settings: &settings,
                output,
                limits,
            })
        };
        let stuck = || Ran {
            fuel: limits.fuel,
            result: Err(Failure::Stuck(limits.time)),
        };
        run_bounded(&self.runs, run, limits.time + GRACE)
            .await
            .unwrap_or_else(stuck)
    }
}

/// Runs `run` on a thread of its own; `None` where it does not end within `limit`. Its place stays
/// taken until it does, also where nobody waits for it any more.
async fn run_bounded<T: Send + 'static>(
    places: &Arc<Semaphore>,
    run: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
) -> Option<T> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await;
    let ran = tokio::task::spawn_blocking(move || {
        let _place = place;
        run()
    });
    match tokio::time::timeout(limit, ran).await {
        Ok(Ok(ran)) => Some(ran),
        Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => None,
    }
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

pub(super) fn transform_error(
    plugin: Option<String>,
    fuel: Option<u64>,
    message: String,
) -> ChangeError {
    ChangeError::Transform {
        plugin,
        fuel,
        message,
        temporary: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_run_that_hangs_in_the_host_is_given_up_but_keeps_its_place() {
        let places = Arc::new(Semaphore::new(1));
        let (end, ended) = mpsc::channel::<()>();
        let hangs = move || ended.recv();
        let ran = run_bounded(&places, hangs, Duration::from_millis(10)).await;
        assert!(ran.is_none());
        assert_eq!(places.available_permits(), 0);
        end.send(()).unwrap();
        let next = run_bounded(&places, || 1, Duration::from_secs(30)).await;
        assert_eq!(next, Some(1));
    }
}
