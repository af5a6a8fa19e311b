//! Whether what is recorded of an object is what it would yield now. Pure.
//!
//! Two digests stand for everything that decides an object's entries:
//!
//! - the *basis* is the object's content (its entity tag), the plugins, and how they are run;
//! - the *fingerprint* is the basis and whatever else of the object a plugin can see: version, time,
//!   content type, metadata.
//!
//! Where the fingerprint is the recorded one, the plugins need not run. Where only the basis is, the
//! object was put again with the same content: they run, and where the entries come out the same and
//! none of them expires, nothing is written.

use super::transform::Transform;
use crate::entry::EntrySet;
use crate::fingerprint::Fingerprint;
use crate::ledger::Record;
use crate::object::Object;
use crate::route::Route;
use crate::settings::{Limits, Unmatched};

/// Whether the plugins run although nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// Only where something has changed.
    IfChanged,
    /// Always, and everything is written.
    Always,
}

/// Part of every basis: raise it where the host makes other entries of the same object, or encodes
/// what a basis stands for in another way. Every object is run once more then.
const VERSION: &str = "2";

/// What decides an object's entries besides the object and its route.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Goes before every data key.
    pub(super) key_prefix: String,
    /// What becomes of objects that no route takes.
    pub(super) unmatched: Unmatched,
}

/// The basis of an object's entries, hexadecimal: of its entity tag and the transform that takes it.
pub(super) fn basis(etag: &str, rules: &Rules, transform: Option<&Transform<'_>>) -> String {
    let object = Fingerprint::new()
        .part(VERSION)
        .part(etag)
        .part(&rules.key_prefix);
    let Some(Transform {
        route,
        steps,
        limits,
    }) = transform
    else {
        return object.part(rules.unmatched.name()).short();
    };
    let plugins = steps
        .iter()
        .flat_map(|(name, loaded)| [*name, &*loaded.digest]);
    let settings = route
        .settings
        .iter()
        .flat_map(|(name, value)| [name, value]);
    let fingerprint = object
        .parts(plugins)
        .parts(settings)
        .part(route.output.name())
        .parts(route.keys.iter().flat_map(|globs| &globs.patterns))
        .optional(route.ttl_seconds.map(u64::to_le_bytes));
    // Only there is it a part, so that all other bases stay what they were.
    let fingerprint = if none_allowed(route) {
        fingerprint.part("no keys")
    } else {
        fingerprint
    };
    with_limits(fingerprint, limits).short()
}

/// Whether the route lets its plugins write no key at all, which is not the same as any key.
fn none_allowed(route: &Route) -> bool {
    let keys = route.keys.as_ref();
    keys.is_some_and(|globs| globs.patterns.is_empty())
}

fn with_limits(fingerprint: Fingerprint, limits: &Limits) -> Fingerprint {
    let Limits {
        fuel,
        time,
        memory_bytes,
        output_bytes,
    } = limits;
    fingerprint
        .part(fuel.to_le_bytes())
        .part(time.as_nanos().to_le_bytes())
        .part(memory_bytes.to_le_bytes())
        .part(output_bytes.to_le_bytes())
}

/// The fingerprint of an object's entries, hexadecimal.
pub(super) fn fingerprint(object: &Object, basis: &str) -> String {
    let metadata = object
        .metadata
        .iter()
        .flat_map(|(name, value)| [name, value]);
    Fingerprint::new()
        .part(basis)
        .optional(object.version_id.as_ref())
        .part(object.last_modified.to_le_bytes())
        .optional(object.content_type.as_ref())
        .parts(metadata)
        .short()
}

/// Whether the plugins would see what they saw when the record was written.
pub(super) fn is_unchanged(record: &Record, fingerprint: &str) -> bool {
    record.digest.is_some() && record.fingerprint.as_deref() == Some(fingerprint)
}

/// Whether the plugins, run again on the same content, came to the recorded entries, and these need not
/// be written again. Those that expire do: their time begins anew where the object is put again.
pub(super) fn yields_the_same(record: &Record, basis: &str, entries: &EntrySet) -> bool {
    record.basis.as_deref() == Some(basis)
        && record.digest.as_deref() == Some(entries.digest())
        && !entries.expires()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Value};
    use crate::route::{KeyGlobs, Manifest, Output, Route};
    use bytes::Bytes;
    use std::time::Duration;

    const LIMITS: Limits = Limits {
        fuel: 5,
        time: Duration::from_secs(10),
        memory_bytes: 1 << 20,
        output_bytes: 1000,
    };

    fn rules(unmatched: Unmatched) -> Rules {
        Rules {
            key_prefix: String::new(),
            unmatched,
        }
    }

    fn with(route: &Route, limits: Limits) -> String {
        let transform = Transform {
            route,
            steps: Vec::new(),
            limits,
        };
        basis("etag", &rules(Unmatched::Store), Some(&transform))
    }

    fn object() -> Object {
        Object {
            bucket: "config".into(),
            key: "k".into(),
            etag: "etag".into(),
            version_id: None,
            last_modified: 1,
            content_type: None,
            metadata: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// A change here re-runs every object of every bucket: it must come with another [`VERSION`].
    #[test]
    fn a_basis_is_encoded_as_it_was_in_its_version() {
        assert_eq!(VERSION, "2");
        let stored = basis("etag", &rules(Unmatched::Store), None);
        assert_eq!(stored, "3ba8c459fddafb9a03f58adecb518cc8");
        assert_eq!(
            with(&Route::default(), LIMITS),
            "739eec138e6a936787f9bf03137c3808"
        );
    }

    fn keys(globs: &str) -> Option<KeyGlobs> {
        let text = format!("[[route]]\nprefix = \"\"\nplugin = \"p.wasm\"\nkeys = {globs}");
        let manifest = Manifest::parse(&text).unwrap();
        manifest.route("").unwrap().1.keys.clone()
    }

    #[test]
    fn whatever_decides_the_entries_changes_the_basis() {
        let base = with(&Route::default(), LIMITS);
        let route = |change: fn(&mut Route)| {
            let mut route = Route::default();
            change(&mut route);
            with(&route, LIMITS)
        };
        let limits = |change: fn(&mut Limits)| {
            let mut limits = LIMITS;
            change(&mut limits);
            with(&Route::default(), limits)
        };
        let others = [
            basis("etag", &rules(Unmatched::Store), None),
            basis("etag", &rules(Unmatched::Skip), None),
            route(|route| route.output = Output::Entries),
            route(|route| route.ttl_seconds = Some(1)),
            route(|route| route.keys = keys("[]")),
            route(|route| route.keys = keys("[\"*\"]")),
            route(|route| {
                route.settings.insert("a".into(), "b".into());
            }),
            limits(|limits| limits.fuel += 1),
            limits(|limits| limits.time += Duration::from_millis(1)),
            limits(|limits| limits.memory_bytes += 1),
            limits(|limits| limits.output_bytes += 1),
        ];
        let different: std::collections::BTreeSet<&String> = others.iter().chain([&base]).collect();
        assert_eq!(different.len(), others.len() + 1);
    }

    #[test]
    fn whatever_a_plugin_sees_of_an_object_changes_its_fingerprint() {
        let base = fingerprint(&object(), "basis");
        let with = |change: fn(&mut Object)| {
            let mut object = object();
            change(&mut object);
            fingerprint(&object, "basis")
        };
        for other in [
            with(|object| object.version_id = Some("v".into())),
            with(|object| object.last_modified = 2),
            with(|object| object.content_type = Some("text/plain".into())),
            with(|object| object.metadata.push(("a".into(), "b".into()))),
            fingerprint(&object(), "another"),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn without_a_digest_nothing_is_unchanged() {
        let entry = Entry {
            key: "k".into(),
            value: Value::Bytes(b"v".to_vec()),
            ttl_seconds: None,
        };
        let entries = EntrySet::new(vec![entry], "", None).unwrap();
        let record = Record {
            fingerprint: Some("f".into()),
            basis: Some("b".into()),
            digest: Some(entries.digest().to_owned()),
            ..Record::default()
        };
        assert!(is_unchanged(&record, "f") && !is_unchanged(&record, "g"));
        assert!(yields_the_same(&record, "b", &entries));
        assert!(!yields_the_same(&record, "c", &entries));
        assert!(!yields_the_same(&record, "b", &EntrySet::default()));
        let broken_off = Record {
            digest: None,
            ..record
        };
        assert!(!is_unchanged(&broken_off, "f"));
    }
}
