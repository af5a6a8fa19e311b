//! Finding the plugins of an object in what one listing of the plugins' prefix had.

use super::candidate::Candidate;
use super::manifest::{Manifest, ManifestError};
use super::{MANIFEST_NAME, Route};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the table says about an object.
#[derive(Clone, Debug)]
pub enum Resolution<'a> {
    /// Nothing takes it.
    Unmatched,
    /// A route takes it.
    Route(Cow<'a, Route>),
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
    /// A module that stands for one of the plugins.
    pub candidate: Option<Candidate>,
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

    /// Whether a route takes the object, and can.
    pub fn routes(&self, key: &str) -> bool {
        matches!(self.resolve(key), Resolution::Route(_))
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
                return Resolution::Route(Cow::Owned(route));
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
            None => Resolution::Route(Cow::Borrowed(route)),
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
            candidate: None,
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
