//! Manifests as people write them, and as nobody should.

use super::*;
use proptest::prelude::*;

#[test]
fn the_documented_example_is_read() {
    let digest = "ab".repeat(32);
    let text = format!(
        r#"
        [[route]]
        prefix = "flags/"
        plugin = "flags.wasm"
        settings = {{ region = "eu", limit = 5 }}
        output = "value"
        keys = ["flags:*"]
        ttl_seconds = 3600
        fuel = 200_000_000
        time_ms = 2000
        memory_mib = 64
        sha256 = "{digest}"
        "#
    );
    let manifest = Manifest::parse(&text).unwrap();
    let (prefix, route) = manifest.route("flags/a.json").unwrap();
    assert_eq!(prefix, "flags/");
    assert_eq!(route.settings["region"], "eu");
    assert_eq!(route.settings["limit"], "5");
    assert_eq!(route.fuel, Some(200_000_000));
    assert_eq!(route.time, Some(Duration::from_secs(2)));
    assert_eq!(route.digests, [Some(digest)]);
    let keys = route.keys.as_ref().unwrap();
    assert!(keys.allow("flags:a/b") && !keys.allow("other"));
}

#[test]
fn a_mistake_is_located() {
    for (text, expected) in [
        (
            "[[route]]\nprefix = \"\"\nplugin = \"a.wasm\"\nfule = 1",
            "line 4: unknown field `fule`",
        ),
        ("[[route]\n", "line 1"),
        ("[[route]]\nplugin = \"a.wasm\"", "missing field `prefix`"),
        (
            "[[route]]\nprefix = \"x\"\nplugin = \"a\"",
            "line 2: route `x`: `plugin` must name",
        ),
        (
            "[[route]]\nprefix = \"x\"\nplugin = []",
            "route `x`: `plugin` must name",
        ),
        (
            "[[route]]\nprefix = \"x\"\nplugin = \"a.wasm\"\nsha256 = \"abc\"",
            "64 hexadecimal digits",
        ),
        (
            "[[route]]\nprefix = \"x\"\nplugin = \"a.wasm\"\nkeys = [\"[\"]",
            "route `x`: `keys`",
        ),
        (
            "[[route]]\nprefix = \"x\"\nplugin = \"a.wasm\"\n[[route]]\nprefix = \"x\"\nplugin = \"b.wasm\"",
            "line 5: two routes have the prefix `x`",
        ),
    ] {
        let error = Manifest::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn more_than_a_manifest_may_have_is_refused_with_the_number() {
    let route = |prefix: usize, rest: &str| {
        format!("[[route]]\nprefix = \"{prefix}\"\nplugin = \"a.wasm\"\n{rest}\n")
    };
    let routes: String = (0..=MAX_ROUTES).map(|prefix| route(prefix, "")).collect();
    let globs = |number: usize| format!("keys = [{}]", "\"a*\",".repeat(number));
    let chain = |number: usize| {
        let plugins = "\"a.wasm\",".repeat(number);
        format!("[[route]]\nprefix = \"\"\nplugin = [{plugins}]")
    };
    let long = format!("\"{}\",", "a".repeat(1000));
    let bytes = |number: usize| format!("keys = [{}]", long.repeat(number));
    for (text, expected) in [
        (routes, "it has 10001 routes, more than 10000"),
        (
            route(0, &globs(600)) + &route(1, &globs(600)),
            "it has 1200 globs in `keys`, more than 1000",
        ),
        (
            route(0, &format!("keys = [\"{}\"]", "{".repeat(20_000))),
            "line 2: route `0`: `keys`: a glob has 20000 bytes",
        ),
        (
            route(0, &bytes(33)) + &route(1, &bytes(33)),
            "it has 66000 bytes of globs in `keys`, more than 65536",
        ),
        (chain(17), "`plugin` names 17 modules, more than 16"),
    ] {
        let error = Manifest::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.len() < 1100, "{error}");
    }
    for text in [
        route(0, &globs(1000)),
        route(0, &bytes(65)),
        chain(16),
        (0..10_000).map(|prefix| route(prefix, "")).collect(),
    ] {
        assert!(Manifest::parse(&text).is_ok());
    }
}

#[test]
fn an_empty_prefix_takes_what_is_left() {
    let manifest = Manifest::parse("[[route]]\nprefix = \"\"\nplugin = \"a.wasm\"\n[[route]]\nprefix = \"b\"\nplugin = \"b.wasm\"").unwrap();
    assert_eq!(manifest.route("c").unwrap().1.plugins, ["a.wasm"]);
    assert_eq!(manifest.route("bc").unwrap().1.plugins, ["b.wasm"]);
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Manifest::parse(&text);
    }
}

#[test]
fn metrics_know_the_first_fifty_routes_by_their_prefixes() {
    let route = |prefix: &str| format!("[[route]]\nprefix = \"{prefix}\"\nplugin = \"p.wasm\"\n");
    let name = |prefix: &str| {
        let manifest = Manifest::parse(&route(prefix)).unwrap();
        let name = manifest.routes().next().unwrap().1.name.clone();
        name.map(|name| name.to_string())
    };
    assert_eq!(name("flags/").as_deref(), Some("flags/"));
    assert_eq!(name("").as_deref(), Some("*"));
    assert_eq!(name("é/").as_deref(), Some("%C3%A9/"));
    assert_eq!(name(":a"), None, "a dimension may not begin so");
    assert_eq!(name(" "), None);
    assert_eq!(name(&"é".repeat(50)), None, "too long");
    let text: String = (0..60)
        .map(|number| route(&format!("{number:02}")))
        .collect();
    let manifest = Manifest::parse(&text).unwrap();
    let named = |number: &str| manifest.route(number).unwrap().1.name.is_some();
    assert!(named("00") && named("49") && !named("50") && !named("59"));
}

#[test]
fn a_value_of_the_wrong_type_is_not_told() {
    let route = |line: &str| format!("[[route]]\nprefix = \"a\"\nplugin = \"p.wasm\"\n{line}");
    for (line, told) in [
        (
            "settings = \"secret\"",
            "line 4: invalid type: string, expected a map",
        ),
        (
            "ttl_seconds = \"secret\"",
            "line 4: invalid type: string, expected u64",
        ),
        ("fuel = -77", "line 4: invalid value: integer, expected u64"),
        (
            "settings = { token = [\"secret\"] }",
            "expected a string, a number or a boolean",
        ),
    ] {
        let error = Manifest::parse(&route(line)).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(
            !error.contains("secret") && !error.contains("77"),
            "{error}"
        );
    }
}
