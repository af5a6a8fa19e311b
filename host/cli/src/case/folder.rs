//! The folder of a case, read and written.

use super::{Case, Description, Expected, Routing, bare, object};
use crate::module::ModuleFile;
use crate::problem::{Advise, problem};
use crate::runner::Variables;
use anyhow::Result;
use redis_sync::route::Route;
use redis_sync::text::counted;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A case as it is in a folder.
#[derive(Clone, Debug)]
pub(crate) struct CaseFolder {
    /// The case.
    pub(crate) case: Case,
    /// Variables of the function, where the case has its own.
    pub(crate) variables: Option<Variables>,
}

impl CaseFolder {
    /// Reads a case. `module` is the one that is tested, and `routes` the manifest of the project,
    /// for where the case has none of its own.
    pub(crate) fn read(
        folder: &Path,
        module: Option<&ModuleFile>,
        routes: Option<&Routing>,
    ) -> Result<Self> {
        let input = input(folder)?.ok_or_else(|| {
            problem(
                format!("{} is no case: it has no file `input.*`", folder.display()),
                "a case is a folder with the object's body as `input.json`, or another ending",
            )
        })?;
        let body = std::fs::read(&input).advise(
            || format!("{} cannot be read", input.display()),
            "it is the body of the object",
        )?;
        let said = Description::read(folder)?;
        let object = object(body.into(), &file_name(&input), &said);
        let own = folder.join("routes.toml");
        let own = own
            .exists()
            .then(|| Routing::read(&own, None))
            .transpose()?;
        let plugins = folder.join("plugins");
        let plugins = plugins.is_dir().then_some(plugins.as_path());
        let (mut route, modules) = match own.as_ref().or(routes) {
            Some(routing) => {
                let route = routing.route(&object.key)?;
                let given = module.filter(|_| plugins.is_none());
                let modules = routing.modules(&route, given, plugins)?;
                (route, modules)
            }
            None => {
                let module = match (plugins, module) {
                    (Some(plugins), _) => only_module(plugins)?,
                    (None, Some(module)) => module.clone(),
                    (None, None) => return Err(no_module(folder)),
                };
                (bare(&module.name, said.output.as_deref())?, vec![module])
            }
        };
        route.settings.extend(said.settings);
        Ok(Self {
            case: Case {
                object,
                route,
                modules,
            },
            variables: variables(folder)?,
        })
    }

    /// Writes everything that decides what comes of a case, and what came of it.
    pub(crate) fn write(
        folder: &Path,
        case: &Case,
        variables: &Variables,
        expected: &Expected,
    ) -> Result<()> {
        let write = || -> anyhow::Result<()> {
            let plugins = folder.join("plugins");
            std::fs::create_dir_all(&plugins)?;
            for module in &case.modules {
                let file = plugins.join(&module.name);
                std::fs::create_dir_all(file.parent().unwrap_or(&plugins))?;
                std::fs::write(file, &module.bytes)?;
            }
            let ending = Path::new(&case.object.key).extension();
            let ending = ending.and_then(|ending| ending.to_str()).unwrap_or("bin");
            std::fs::write(folder.join(format!("input.{ending}")), &case.object.body)?;
            let description = toml::to_string(&Description::of(&case.object))?;
            std::fs::write(folder.join("object.toml"), description)?;
            std::fs::write(folder.join("limits.toml"), toml::to_string(variables)?)?;
            let digests = case
                .modules
                .iter()
                .map(|module| (&*module.name, &*module.digest));
            std::fs::write(
                folder.join("routes.toml"),
                manifest(&case.route, &digests.collect())?,
            )?;
            Ok(expected.write(folder)?)
        };
        if input(folder).is_ok_and(|input| input.is_some()) {
            return Err(problem(
                format!("{} has a case already", folder.display()),
                "name a new folder, or remove that one",
            ));
        }
        write().advise(
            || format!("the case cannot be written to {}", folder.display()),
            "name a folder that can be written to",
        )
    }
}

/// The file with the object's body.
pub(crate) fn input(folder: &Path) -> Result<Option<PathBuf>> {
    let entries = folder.read_dir().advise(
        || format!("the folder {} cannot be read", folder.display()),
        "name a folder with cases",
    )?;
    let is_input = |path: &PathBuf| path.is_file() && file_name(path).starts_with("input.");
    let mut inputs: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_input)
        .collect();
    inputs.sort();
    match inputs.len() {
        0 | 1 => Ok(inputs.pop()),
        _ => Err(problem(
            format!("{} has more than one file `input.*`", folder.display()),
            "make a folder of its own for each case",
        )),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// There is nothing to run on a case.
pub(crate) fn no_module(folder: &Path) -> anyhow::Error {
    problem(
        format!("there is no module to run on {}", folder.display()),
        "name one with --module, or build the project that the case belongs to",
    )
}

/// The only module of a folder.
fn only_module(plugins: &Path) -> Result<ModuleFile> {
    let modules = plugins.read_dir().into_iter().flatten().flatten();
    let modules = modules.map(|entry| entry.path());
    let is_module = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "wasm");
    let modules: Vec<PathBuf> = modules.filter(is_module).collect();
    match &modules[..] {
        [module] => ModuleFile::read(module),
        _ => Err(problem(
            format!(
                "{} has {}",
                plugins.display(),
                counted(modules.len(), "module")
            ),
            "leave one there, or say in a routes.toml beside that folder which of them run",
        )),
    }
}

/// The variables of a case.
fn variables(folder: &Path) -> Result<Option<Variables>> {
    let path = folder.join("limits.toml");
    if !path.exists() {
        return Ok(None);
    }
    let what = || format!("{} cannot be read", path.display());
    let text = std::fs::read_to_string(&path).advise(what, "it must be a text file")?;
    let numbers: BTreeMap<String, toml::Value> = toml::from_str(&text).advise(
        what,
        "it has variables of the function: FUEL_LIMIT = 1000000",
    )?;
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(Some(
        numbers
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect(),
    ))
}

/// A manifest with one route, for every key.
fn manifest(route: &Route, digests: &BTreeMap<&str, &str>) -> Result<String, toml::ser::Error> {
    #[derive(Serialize)]
    struct Table<'a> {
        route: [Form<'a>; 1],
    }
    #[derive(Serialize)]
    struct Form<'a> {
        prefix: &'a str,
        plugin: &'a [String],
        sha256: Vec<&'a str>,
        output: &'a str,
        keys: Option<&'a [String]>,
        ttl_seconds: Option<u64>,
        fuel: Option<u64>,
        time_ms: Option<u64>,
        memory_mib: Option<u32>,
        settings: &'a BTreeMap<String, String>,
    }
    let digest = |name: &String| digests.get(&**name).copied().unwrap_or_default();
    toml::to_string(&Table {
        route: [Form {
            prefix: "",
            plugin: &route.plugins,
            sha256: route.plugins.iter().map(digest).collect(),
            output: route.output.name(),
            keys: route.keys.as_ref().map(|globs| &*globs.patterns),
            ttl_seconds: route.ttl_seconds,
            fuel: route.fuel,
            time_ms: route
                .time
                .and_then(|time| u64::try_from(time.as_millis()).ok()),
            memory_mib: route.memory_mib,
            settings: &route.settings,
        }],
    })
}
