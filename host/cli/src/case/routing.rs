//! The route of a case, and the modules that it names.

use crate::module::ModuleFile;
use crate::problem::{Advise, problem};
use anyhow::Result;
use redis_sync::route::{Manifest, Output, Route};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a route is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Routing {
    /// The manifest's file.
    file: PathBuf,
    manifest: Manifest,
    /// The prefix of the route to take, whatever the object's key.
    prefix: Option<String>,
}

impl Routing {
    /// Reads a manifest.
    pub(crate) fn read(file: &Path, prefix: Option<&str>) -> Result<Self> {
        let what = || format!("the manifest {} cannot be used", file.display());
        let text = std::fs::read_to_string(file).advise(what, "name a routes.toml")?;
        let manifest =
            Manifest::parse(&text).advise(what, "the host would refuse it in the same words")?;
        Ok(Self {
            file: file.to_owned(),
            manifest,
            prefix: prefix.map(str::to_owned),
        })
    }

    /// The route of a key.
    pub(crate) fn route(&self, key: &str) -> Result<Route> {
        let found = match &self.prefix {
            Some(prefix) => self.manifest.routes().find(|(other, _)| other == prefix),
            None => self.manifest.route(key),
        };
        if let Some((_, route)) = found {
            return Ok(route.clone());
        }
        let prefixes = self
            .manifest
            .routes()
            .map(|(prefix, _)| format!("`{prefix}`"));
        let prefixes: Vec<String> = prefixes.collect();
        let file = self.file.display();
        Err(match &self.prefix {
            Some(prefix) => problem(
                format!("{file} has no route with the prefix `{prefix}`"),
                format!("its prefixes are {}", prefixes.join(", ")),
            ),
            None => problem(
                format!("no route of {file} takes the object `{key}`"),
                format!(
                    "give it another --key, or choose a --route: {}",
                    prefixes.join(", ")
                ),
            ),
        })
    }

    /// The modules of a route. `given` stands for the plugin of its name, or for the only one; the
    /// others are read from `folder`, or from where the manifest is.
    pub(crate) fn modules(
        &self,
        route: &Route,
        given: Option<&ModuleFile>,
        folder: Option<&Path>,
    ) -> Result<Vec<ModuleFile>> {
        let beside = self.file.parent().unwrap_or(Path::new("."));
        let folder = folder.unwrap_or(beside);
        let names: Vec<&String> = route.plugins.iter().collect();
        if let Some(given) = given
            && names.len() > 1
            && !names.contains(&&given.name)
        {
            return Err(problem(
                format!(
                    "the route has the plugins {names:?}, and `{}` is none of them",
                    given.name
                ),
                "name the module's file as the plugin that it is to stand for",
            ));
        }
        let mut modules: BTreeMap<&String, ModuleFile> = BTreeMap::new();
        for name in &names {
            let module = match given {
                Some(given) if names.len() == 1 || given.name == **name => given.clone(),
                _ => ModuleFile::read(&folder.join(name))?,
            };
            modules.insert(name, module.named(name));
        }
        Ok(modules.into_values().collect())
    }
}

/// The route of a plugin for which no manifest says anything.
pub(crate) fn bare(plugin: &str, output: Option<&str>) -> Result<Route> {
    let output = match output {
        None | Some("value") => Output::Value,
        Some("entries") => Output::Entries,
        Some(other) => {
            return Err(problem(
                format!("`{other}` is no kind of output"),
                "a command's stdout is a `value`, or an `entries` document",
            ));
        }
    };
    Ok(Route {
        plugins: vec![plugin.to_owned()],
        digests: vec![None],
        output,
        ..Route::default()
    })
}
