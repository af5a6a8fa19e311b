//! Whatever is uploaded as `routes.toml`, it is a table or a refusal. A table sends every key to the
//! longest prefix it begins with, and by convention a key goes to the longest name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_sync_fuzz::route::{Manifest, Resolution, PluginList};
use std::collections::BTreeMap;

fuzz_target!(|text: &str| {
    match Manifest::parse(text) {
        Ok(manifest) => assert_sound(manifest),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_longest_name_wins(text);
});

fn assert_sound(manifest: Manifest) {
    let prefixes: Vec<String> = manifest
        .routes()
        .map(|(prefix, _)| prefix.to_owned())
        .collect();
    let mut modules = BTreeMap::new();
    for (_, route) in manifest.routes() {
        assert!(!route.plugins.is_empty());
        assert_eq!(route.plugins.len(), route.digests.len());
        assert!(route.fuel != Some(0) && route.ttl_seconds != Some(0));
        assert!(route.time.is_none_or(|time| !time.is_zero()));
        assert!(route.memory_mib.is_none_or(|mib| (1..=4096).contains(&mib)));
        for plugin in &route.plugins {
            modules.insert(plugin.clone(), "etag".to_owned());
        }
        if let Some(keys) = &route.keys {
            let allowed = keys.patterns.iter().any(|pattern| keys.allow(pattern));
            assert!(!(allowed && keys.patterns.is_empty()));
        }
    }
    let empty = PluginList {
        manifest: Some(Ok(manifest.clone())),
        ..PluginList::default()
    };
    let full = PluginList {
        modules,
        ..empty.clone()
    };
    for key in prefixes
        .iter()
        .flat_map(|prefix| [prefix.clone(), format!("{prefix}x")])
    {
        let longest = prefixes
            .iter()
            .filter(|prefix| key.starts_with(*prefix))
            .max_by_key(|prefix| prefix.len());
        let found = manifest.route(&key).map(|(prefix, _)| prefix);
        assert_eq!(found, longest.map(String::as_str), "{key}");
        assert!(matches!(full.resolve(&key), Resolution::Route(_)), "{key}");
        assert!(
            matches!(empty.resolve(&key), Resolution::Broken(_)),
            "{key}"
        );
    }
}

/// Takes every line for the name of a plugin and for a key.
fn assert_longest_name_wins(text: &str) {
    let names: Vec<&str> = text.lines().take(32).collect();
    let modules = names
        .iter()
        .map(|name| (format!("{name}.wasm"), String::new()));
    let routes = PluginList {
        modules: modules.collect(),
        ..PluginList::default()
    };
    for key in &names {
        let takes = |name: &&&str| {
            let rest = key.strip_prefix(**name);
            !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let longest = names.iter().filter(takes).max_by_key(|name| name.len());
        let found = match routes.resolve(key) {
            Resolution::Route(route) => Some(route.plugins.join(",")),
            Resolution::Unmatched => None,
            Resolution::Broken(why) => panic!("{why}"),
        };
        assert_eq!(found, longest.map(|name| format!("{name}.wasm")), "{key}");
    }
}
