//! Which plugin transforms an object. Pure.
//!
//! By convention, `plugins/P.wasm` takes the object `P` and every object under `P/`, and the
//! longest `P` wins. Where `plugins/routes.toml` exists, it is the whole table ([`manifest`]).

mod globs;
pub mod manifest;

pub use manifest::{Manifest, ManifestError};

use globset::GlobSet;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name of the manifest under the plugins' prefix.
pub const MANIFEST_NAME: &str = "routes.toml";

/// What a command plugin's stdout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// The value stored at the object's key.
    #[default]
    Value,
    /// An entries document.
    Entries,
}

impl Output {
    /// Its name, as the manifest has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Entries => "entries",
        }
    }
}

/// How an object is transformed.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// Names of the plugins under the plugins' prefix; each one's output feeds the next.
    pub plugins: Vec<String>,
    /// The digest each module must have, where the route names one; in the order of `plugins`.
    pub digests: Vec<Option<String>>,
    /// What the plugins can read.
    pub settings: BTreeMap<String, String>,
    /// What a command plugin's stdout is.
    pub output: Output,
    /// Redis keys it may write; `None` is any.
    pub keys: Option<KeyGlobs>,
    /// Time to live of entries that give none, in seconds.
    pub ttl_seconds: Option<u64>,
    /// In place of the limit of the environment.
    pub fuel: Option<u64>,
    /// In place of the limit of the environment.
    pub time: Option<Duration>,
    /// In place of the limit of the environment.
    pub memory_mib: Option<u32>,
}

/// Globs over Redis keys.
#[derive(Clone, Debug)]
pub struct KeyGlobs {
    /// As the manifest writes them.
    pub patterns: Vec<String>,
    set: GlobSet,
}

impl KeyGlobs {
    /// Whether one of the globs matches.
    pub fn allow(&self, key: &str) -> bool {
        self.set.is_match(key)
    }
}

/// What the table says about an object.
#[derive(Clone, Debug)]
pub enum Resolution<'a> {
    /// Nothing takes it.
    Unmatched,
    /// A route takes it.
    Route(std::borrow::Cow<'a, Route>),
    /// A route should take it, but cannot: why, and where.
    Broken(String),
}

/// The table, as one listing of the plugins' prefix had it.
#[derive(Clone, Debug, Default)]
pub struct PluginList {
    /// Modules under the plugins' prefix: name and entity tag.
    pub modules: BTreeMap<String, String>,
    /// The manifest, where there is one.
    pub manifest: Option<Result<Manifest, ManifestError>>,
}

impl PluginList {
    /// Finds the route of an object.
    pub fn resolve(&self, key: &str) -> Resolution<'_> {
        match &self.manifest {
            None => self.by_convention(key),
            Some(Ok(manifest)) => self.by_manifest(manifest, key),
            Some(Err(error)) => {
                Resolution::Broken(format!("`{MANIFEST_NAME}` is not valid: {error}"))
            }
        }
    }

    fn by_convention(&self, key: &str) -> Resolution<'_> {
        let ends = key.rmatch_indices('/').map(|(end, _)| end);
        let candidates = std::iter::once(key.len())
            .chain(ends)
            .filter(|end| *end > 0);
        for end in candidates {
            let module = format!("{}.wasm", &key[..end]);
            if self.modules.contains_key(&module) {
                let route = Route {
                    plugins: vec![module],
                    digests: vec![None],
                    ..Route::default()
                };
                return Resolution::Route(std::borrow::Cow::Owned(route));
            }
        }
        Resolution::Unmatched
    }

    fn by_manifest<'a>(&'a self, manifest: &'a Manifest, key: &str) -> Resolution<'a> {
        let Some((prefix, route)) = manifest.route(key) else {
            return Resolution::Unmatched;
        };
        match route
            .plugins
            .iter()
            .find(|plugin| !self.modules.contains_key(*plugin))
        {
            Some(missing) => Resolution::Broken(format!(
                "the route `{prefix}` of `{MANIFEST_NAME}` names the plugin `{missing}`, which is not there"
            )),
            None => Resolution::Route(std::borrow::Cow::Borrowed(route)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(modules: &[&str], manifest: Option<&str>) -> PluginList {
        PluginList {
            modules: modules
                .iter()
                .map(|name| ((*name).to_owned(), "etag".to_owned()))
                .collect(),
            manifest: manifest.map(Manifest::parse),
        }
    }

    fn plugin(list: &PluginList, key: &str) -> String {
        match list.resolve(key) {
            Resolution::Route(route) => route.plugins.join("+"),
            Resolution::Unmatched => "-".to_owned(),
            Resolution::Broken(why) => why,
        }
    }

    #[test]
    fn by_convention_the_longest_name_wins() {
        let routes = routes(
            &[
                "flags.wasm",
                "flags/eu.wasm",
                "permissions_config.json.wasm",
            ],
            None,
        );
        for (key, expected) in [
            ("flags", "flags.wasm"),
            ("flags/a.json", "flags.wasm"),
            ("flags/us/a.json", "flags.wasm"),
            ("flags/eu", "flags/eu.wasm"),
            ("flags/eu/a.json", "flags/eu.wasm"),
            ("flagship.json", "-"),
            ("flags.json", "-"),
            ("permissions_config.json", "permissions_config.json.wasm"),
            ("/flags", "-"),
            ("/", "-"),
        ] {
            assert_eq!(plugin(&routes, key), expected, "{key}");
        }
    }

    #[test]
    fn a_manifest_is_the_whole_table() {
        let manifest = r#"
            [[route]]
            prefix = "flags/"
            plugin = "b.wasm"
            [[route]]
            prefix = "flags/eu"
            plugin = ["a.wasm", "b.wasm"]
        "#;
        let routes = routes(&["a.wasm", "b.wasm", "other.wasm"], Some(manifest));
        assert_eq!(plugin(&routes, "flags/x"), "b.wasm");
        assert_eq!(plugin(&routes, "flags/eu/x"), "a.wasm+b.wasm");
        assert_eq!(plugin(&routes, "other/x"), "-");
    }

    #[test]
    fn a_manifest_that_is_broken_lets_nothing_through() {
        let unknown = routes(
            &["a.wasm"],
            Some("[[route]]\nprefix = \"\"\nplugin = \"a.wasm\"\nfule = 1"),
        );
        assert!(
            plugin(&unknown, "x").contains("unknown field `fule`"),
            "{}",
            plugin(&unknown, "x")
        );
        let missing = routes(&[], Some("[[route]]\nprefix = \"x\"\nplugin = \"a.wasm\""));
        assert!(plugin(&missing, "x").contains("names the plugin `a.wasm`, which is not there"));
        assert_eq!(plugin(&missing, "y"), "-");
    }
}
