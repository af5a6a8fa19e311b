//! Which plugin takes the objects of a route, and a plugin list with a candidate in its place.

use super::MANIFEST_NAME;
use super::candidate::Candidate;
use super::plugin_list::{PluginList, Resolution};
use crate::text::clip;

impl PluginList {
    /// The list as it would be with a candidate in the place of its plugin.
    #[must_use]
    pub fn with(mut self, candidate: Candidate) -> Self {
        let (plugin, etag) = (candidate.plugin.clone(), candidate.etag.clone());
        self.modules.insert(plugin, etag);
        self.candidate = Some(candidate);
        self
    }

    /// The candidate that stands for a plugin.
    pub fn candidate_for(&self, plugin: &str) -> Option<&Candidate> {
        let candidate = self.candidate.as_ref();
        candidate.filter(|candidate| candidate.plugin == plugin)
    }

    /// Whether an object goes through a plugin.
    pub fn is_taken_by(&self, key: &str, plugin: &str) -> bool {
        match self.resolve(key) {
            Resolution::Route(route) => route.plugins.iter().any(|name| name == plugin),
            Resolution::Unmatched | Resolution::Broken(_) => false,
        }
    }

    /// The name of the plugin that takes the objects of a route: what a module is to be called to do
    /// that. Where one is `named`, it is to be one that the route has. An error says what is to be said
    /// besides, or what else.
    pub fn plugin_of(&self, prefix: &str, named: Option<&str>) -> Result<String, String> {
        let plugins = self.plugins_of(prefix)?;
        let plugin = match (named, plugins.as_slice()) {
            (Some(named), plugins) if plugins.iter().any(|plugin| plugin == named) => named,
            (Some(named), plugins) => {
                let plugins: Vec<String> = plugins.iter().map(|name| format!("`{name}`")).collect();
                return Err(format!(
                    "the route `{prefix}` does not have the plugin `{}`; it has {}",
                    clip(named),
                    plugins.join(", ")
                ));
            }
            (None, [plugin]) => plugin,
            (None, several) => {
                return Err(format!(
                    "the route `{prefix}` has the plugins {several:?}: name the one that is meant"
                ));
            }
        };
        if is_plugin_name(plugin) {
            Ok(plugin.to_owned())
        } else {
            Err(format!(
                "`{}` is no name of a plugin: it ends with `.wasm`, and no part of it is empty or begins with a dot",
                clip(plugin)
            ))
        }
    }

    /// The plugins of a route.
    fn plugins_of(&self, prefix: &str) -> Result<Vec<String>, String> {
        let manifest = match &self.manifest {
            None => return by_convention(prefix).map(|plugin| vec![plugin]),
            Some(Err(error)) => return Err(format!("`{MANIFEST_NAME}` is not valid: {error}")),
            Some(Ok(manifest)) => manifest,
        };
        let mut routes = manifest.routes();
        let Some((_, route)) = routes.find(|(other, _)| *other == prefix) else {
            let prefixes = manifest.routes().take(20);
            let prefixes: Vec<String> = prefixes.map(|(prefix, _)| format!("`{prefix}`")).collect();
            return Err(format!(
                "`{MANIFEST_NAME}` has no route `{prefix}`; it has {}",
                prefixes.join(", ")
            ));
        };
        Ok(route.plugins.clone())
    }
}

/// Whether a module of that name can be a plugin: what is hidden under the plugins' prefix is none, and
/// neither is what a path would lead elsewhere.
pub fn is_plugin_name(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.ends_with(".wasm") && name.split('/').all(is_part)
}

fn by_convention(prefix: &str) -> Result<String, String> {
    match prefix.strip_suffix('/').unwrap_or(prefix) {
        "" => Err(format!(
            "without a `{MANIFEST_NAME}` no plugin takes every object: name a prefix"
        )),
        name => Ok(format!("{name}.wasm")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{CandidateModule, Manifest};
    use bytes::Bytes;

    #[test]
    fn the_plugin_of_a_route_is_what_takes_its_objects() {
        let list = PluginList::default();
        for (prefix, plugin) in [
            ("flags/", "flags.wasm"),
            ("flags", "flags.wasm"),
            ("a/b/", "a/b.wasm"),
            ("a.json", "a.json.wasm"),
        ] {
            assert_eq!(list.plugin_of(prefix, None).as_deref(), Ok(plugin));
        }
        assert!(list.plugin_of("", None).is_err() && list.plugin_of("/", None).is_err());
        let manifest = r#"
            [[route]]
            prefix = ""
            plugin = "all.wasm"
            [[route]]
            prefix = "chain/"
            plugin = ["a.wasm", "b.wasm"]
        "#;
        let list = PluginList {
            manifest: Some(Manifest::parse(manifest)),
            ..PluginList::default()
        };
        assert_eq!(list.plugin_of("", None).as_deref(), Ok("all.wasm"));
        let error = list.plugin_of("chain/", None).unwrap_err();
        assert!(error.contains(r#"["a.wasm", "b.wasm"]"#), "{error}");
        let error = list.plugin_of("other/", None).unwrap_err();
        assert!(error.contains("has no route `other/`"), "{error}");
    }

    #[test]
    fn a_plugin_that_is_named_is_one_of_its_route() {
        let list = PluginList::default();
        assert_eq!(
            list.plugin_of("flags/", Some("flags.wasm")).as_deref(),
            Ok("flags.wasm")
        );
        for (prefix, named) in [
            ("flags/", ""),
            ("flags/", "routes.toml"),
            ("flags/", "other.wasm"),
            ("flags/", ".candidates/x.wasm"),
            (".candidates/x/", ".candidates/x.wasm"),
            ("../flags/", "../flags.wasm"),
            ("a//b/", "a//b.wasm"),
        ] {
            let error = list.plugin_of(prefix, Some(named)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        let manifest = "[[route]]\nprefix = 'chain/'\nplugin = ['a.wasm', 'b.wasm', '.x.wasm']";
        let list = PluginList {
            manifest: Some(Manifest::parse(manifest)),
            ..PluginList::default()
        };
        assert_eq!(
            list.plugin_of("chain/", Some("b.wasm")).as_deref(),
            Ok("b.wasm")
        );
        let error = list.plugin_of("chain/", Some("chain.wasm")).unwrap_err();
        assert!(error.contains("it has `a.wasm`, `b.wasm`"), "{error}");
        assert!(list.plugin_of("chain/", Some(".x.wasm")).is_err());
    }

    #[test]
    fn a_candidate_takes_what_its_plugin_takes() {
        let candidate = |plugin: &str| Candidate {
            plugin: plugin.to_owned(),
            etag: "e".to_owned(),
            module: CandidateModule::Given(Bytes::new()),
        };
        let list = PluginList::default().with(candidate("flags.wasm"));
        assert!(list.is_taken_by("flags/a", "flags.wasm"));
        assert!(!list.is_taken_by("other/a", "flags.wasm"));
        let list = list.with(candidate("flags/eu.wasm"));
        assert!(!list.is_taken_by("flags/eu/a", "flags.wasm"));
        assert!(list.candidate_for("flags.wasm").is_none());
    }
}
