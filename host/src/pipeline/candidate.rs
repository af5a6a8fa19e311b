//! What a module that is no plugin yet would make of the bucket's objects. An evaluation and no more: it
//! takes no ticket and writes nothing.

use super::error::{ChangeError, TransformError};
use super::notes::Notes;
use super::room::{Conditions, Room, Turn};
use super::{Evaluation, LONGEST, Pipeline, Rerun};
use crate::entry::EntrySet;
use crate::ledger::{Record, Source, Write};
use crate::report::Reason;
use crate::route::{Candidate, CandidateModule, PluginList, Resolution};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an object would be.
pub struct Evaluated {
    /// What it would yield; `None` where it is not in the bucket any more.
    pub entries: Result<Option<EntrySet>, ChangeError>,
    /// Fuel used, where it came to a run.
    pub fuel: Option<u64>,
    /// Fuel that all plugins of its route may use together.
    pub fuel_limit: Option<u64>,
    /// Reading it, and running its plugins.
    pub time: Duration,
    /// The memory of what it would yield.
    _room: Option<Room>,
}

impl Pipeline {
    /// The plugin list as it would be with a module in the place of a plugin, and the module's SHA-256.
    /// An error where the host refuses the module. `keep` keeps its machine code for other processes,
    /// if that is kept at all: that it will be a plugin is known then.
    pub async fn with_candidate(
        &self,
        plugins: &PluginList,
        candidate: Candidate,
        keep: bool,
    ) -> Result<(PluginList, Arc<str>), ChangeError> {
        let name = candidate.plugin.clone();
        let plugins = plugins.clone().with(candidate);
        let transforms = &self.objects.evaluator.transforms;
        let loaded = transforms.load_plugin(&name, &plugins).await?;
        let loaded = loaded.map_err(|error| TransformError {
            plugin: Some(name.clone()),
            temporary: error.is_temporary(),
            ..TransformError::new(
                Reason::Module,
                format!("plugin `{name}` cannot run: {error}"),
            )
        })?;
        if keep {
            transforms.keep_artifact(&loaded).await;
        }
        Ok((plugins, loaded.digest))
    }

    /// A candidate for a plugin: the module that lies under a key of the bucket.
    pub async fn stored_candidate(
        &self,
        plugin: &str,
        key: &str,
    ) -> Result<Candidate, ChangeError> {
        let listed = self.store.list(key, None).await?.objects;
        let Some(listed) = listed.into_iter().find(|listed| listed.key == key) else {
            let why = format!("there is no module `{key}`");
            return Err(TransformError::new(Reason::Module, why).into());
        };
        Ok(Candidate {
            plugin: plugin.to_owned(),
            etag: listed.etag,
            module: CandidateModule::Stored(key.to_owned()),
        })
    }

    /// What an object would be by such a plugin list.
    pub async fn evaluate(&self, key: &str, plugins: &PluginList) -> Evaluated {
        let evaluator = &self.objects.evaluator;
        let fuel_limit = match plugins.resolve(key) {
            Resolution::Route(route) => evaluator.transforms.fuel_limit(&route),
            Resolution::Unmatched | Resolution::Broken(_) => None,
        };
        let started = Instant::now();
        let notes = Notes::default();
        let conditions = Conditions {
            rerun: Rerun::Always,
            turn: Turn::Wait,
            deadline: started + LONGEST,
            notes: &notes,
        };
        // Nothing is compared with what is recorded: everything is run.
        let nothing = Record::default();
        let evaluated = evaluator.evaluate(key, &nothing, plugins, conditions).await;
        let time = started.elapsed();
        let failed = |error, fuel| Evaluated {
            entries: Err(error),
            fuel,
            fuel_limit,
            time,
            _room: None,
        };
        match evaluated {
            Ok(Evaluation {
                source,
                write,
                room,
                foreseen,
                ..
            }) => Evaluated {
                entries: Ok(match (source, write) {
                    (Source::Gone, _) => None,
                    (_, Write::Entries(entries)) => Some(entries),
                    // Nothing is taken for unchanged where everything is run again.
                    (_, Write::Unchanged) => Some(EntrySet::default()),
                }),
                fuel: foreseen.fuel,
                fuel_limit,
                time,
                _room: room,
            },
            Err(ChangeError::Transform(error)) => {
                let fuel = error.fuel;
                failed(ChangeError::Transform(error), fuel)
            }
            Err(error) => failed(error, None),
        }
    }
}
