//! Cases: an object, the modules and the route that take it, and in a folder also what must come of it.
//!
//! | file | what it is |
//! | --- | --- |
//! | `input.*` | the object's body; the only file that must be there |
//! | `object.toml` | what else the object has ([`describe`]) |
//! | `routes.toml` | the manifest whose route for the object's key is taken, instead of a bare one |
//! | `limits.toml` | variables of the function, such as `FUEL_LIMIT`, instead of the environment's |
//! | `plugins/*.wasm` | the modules, instead of the one that is tested |
//! | `expected.json`, `expected-error.txt` | what comes of it ([`expected`]) |
//! | `expected-fuel.txt` | the fuel that it took |
//!
//! The golden cases of an author are such folders, and so is what `run --trace` writes, with everything
//! in it that decides what comes of the object.

mod describe;
mod expected;
mod folder;
mod routing;

pub(crate) use describe::{Description, object};
pub(crate) use expected::Expected;
pub(crate) use folder::{CaseFolder, input, no_module};
pub(crate) use routing::{Routing, bare};

use crate::module::ModuleFile;
use redis_sync::object::Object;
use redis_sync::route::{PluginList, Route};

/// An object, and what takes it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The object.
    pub(crate) object: Object,
    /// How it is transformed.
    pub(crate) route: Route,
    /// The modules that the route names.
    pub(crate) modules: Vec<ModuleFile>,
}

impl Case {
    /// The modules as a listing would have them.
    pub(crate) fn plugin_list(&self) -> PluginList {
        let listed = |module: &ModuleFile| (module.name.clone(), module.digest.clone());
        PluginList {
            modules: self.modules.iter().map(listed).collect(),
            ..PluginList::default()
        }
    }

    /// The names of the plugins.
    pub(crate) fn plugins(&self) -> String {
        self.route.plugins.join(", ")
    }
}
