//! Which plugin takes an object, and what happens where none can.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, change_plugins, environment};
use crate::objects::yields;
use redis_sync_tests::held::held;
use redis_sync_tests::{compiled, guest};
use serde_json::json;

/// The text of `flags/x.json` in every test here.
fn object() -> String {
    yields(&json!({"k": {"bytes": "v"}}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmatched_object_is_stored_as_it_is() {
    let environment = environment(&[]).await;
    let report = environment.upload("other.txt", "as it is").await.unwrap();
    assert_eq!(outcome(&report), "synced");
    assert_eq!(report["objects"][0]["plugin"], json!(null));
    assert_held(&environment, json!({"other.txt": "as it is"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmatched_object_is_skipped_where_that_is_wanted() {
    let environment = environment(&[("UNMATCHED", "skip")]).await;
    assert_eq!(
        outcome(&environment.upload("other.txt", "as it is").await.unwrap()),
        "skipped"
    );
    assert_held(&environment, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_wins_and_a_flagship_is_no_flag() {
    let environment = environment(&[]).await;
    environment
        .s3
        .put("plugins/flags/eu.wasm", compiled::variant("eu."));
    environment
        .upload("flags/us.json", yields(&json!({"us": {"bytes": "1"}})))
        .await
        .unwrap();
    environment
        .upload("flags/eu/x.json", yields(&json!({"k": {"bytes": "2"}})))
        .await
        .unwrap();
    environment.upload("flagship.json", "plain").await.unwrap();
    assert_held(
        &environment,
        json!({"us": "1", "euk": "2", "flagship.json": "plain"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_wins_over_convention() {
    let environment = environment(&[]).await;
    environment
        .s3
        .put("plugins/other.wasm", compiled::variant("M"));
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"other.wasm\"\nttl_seconds = 500\n",
    );
    environment.upload("flags/x.json", object()).await.unwrap();
    environment
        .upload("other/x.json", "not routed")
        .await
        .unwrap();
    assert_held(
        &environment,
        json!({"Mk": "v", "other/x.json": "not routed"}),
    )
    .await;
    let ttl: u64 = environment
        .redis
        .command(&["TTL", "Mk"])
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=500).contains(&ttl), "{ttl}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_valid_lets_nothing_through() {
    let environment = environment(&[]).await;
    environment.upload("flags/x.json", object()).await.unwrap();
    let route = "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\nfule = 1\n";
    change_plugins(&environment, "plugins/routes.toml", Some(route.as_bytes())).await;
    let failed = message(
        environment
            .upload("flags/x.json", yields(&json!({"other": {"bytes": "2"}})))
            .await,
    );
    assert!(
        failed.contains("`routes.toml` is not valid: line 4: unknown field `fule`"),
        "{failed}"
    );
    let failed = message(environment.upload("unmatched.txt", "raw").await);
    assert!(failed.contains("`routes.toml` is not valid"), "{failed}");
    assert_held(&environment, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_module_fails_the_objects_of_its_route_only() {
    let environment = environment(&[]).await;
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n[[route]]\nprefix = \"lost/\"\nplugin = \"lost.wasm\"\n",
    );
    let failed = message(environment.upload("lost/x.json", object()).await);
    assert!(
        failed.contains(
            "the route `lost/` of `routes.toml` names the plugin `lost.wasm`, which is not there"
        ),
        "{failed}"
    );
    environment.upload("flags/x.json", object()).await.unwrap();
    assert_held(&environment, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_cannot_be_loaded_is_refused_with_the_reason() {
    let environment = environment(&[]).await;
    environment.upload("flags/x.json", object()).await.unwrap();
    let program = |import: &str| {
        wat::parse_str(format!(
            "(module {import} (memory (export \"memory\") 1) (func (export \"_start\")))"
        ))
        .unwrap()
    };
    for (module, reason) in [
        (b"not wasm".to_vec(), "not a WebAssembly module"),
        (guest::scripted()[..5000].to_vec(), "not valid WebAssembly"),
        (
            wat::parse_str("(module)").unwrap(),
            "neither built with redis-sync-guest",
        ),
        (
            wat::parse_str("(component)").unwrap(),
            "it exports neither `transform`",
        ),
        (program("(import \"env\" \"launch\" (func))"), "env"),
        (
            wat::parse_str("(component (import \"wasi:http/outgoing-handler@0.2.0\" (instance)))")
                .unwrap(),
            "exports neither",
        ),
        (
            wat::parse_str("(component (import \"launch\" (func)))").unwrap(),
            "an import that is not offered: component imports function `launch`",
        ),
    ] {
        change_plugins(&environment, "plugins/flags.wasm", Some(&module)).await;
        let failed = message(
            environment
                .upload("flags/x.json", yields(&json!({"other": {"bytes": "2"}})))
                .await,
        );
        assert!(
            failed.contains("plugin `flags.wasm` cannot run on `flags/x.json`")
                && failed.contains(reason),
            "{reason}: {failed}"
        );
    }
    assert_held(&environment, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_pins_its_module_and_bounds_its_keys() {
    let environment = environment(&[]).await;
    let route =
        |line: &str| format!("[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n{line}\n");
    environment.s3.put(
        "plugins/routes.toml",
        route(&format!("sha256 = \"{}\"", "0".repeat(64))),
    );
    let failed = message(environment.upload("flags/x.json", object()).await);
    assert!(failed.contains("not the one its route names"), "{failed}");
    let bounded = route("keys = [\"flags:*\"]");
    change_plugins(
        &environment,
        "plugins/routes.toml",
        Some(bounded.as_bytes()),
    )
    .await;
    let failed = message(environment.upload("flags/x.json", object()).await);
    assert!(
        failed.contains("does not let it write the key `k`"),
        "{failed}"
    );
    environment
        .upload("flags/x.json", yields(&json!({"flags:k": {"bytes": "v"}})))
        .await
        .unwrap();
    assert_held(&environment, json!({"flags:k": "v"})).await;
}

/// Fails where a component is told of no settings, or of another route's.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_reads_the_settings_of_its_route_and_no_others() {
    let environment = environment(&[]).await;
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\nsettings = { region = \"eu\", count = 3 }\n[[route]]\nprefix = \"other/\"\nplugin = \"flags.wasm\"\nsettings = { zone = \"b\" }\n",
    );
    for (object, all, region_and_zone) in [
        (
            "flags/x",
            r#"{"count": "3", "region": "eu"}"#,
            r#"[Some("eu"), None]"#,
        ),
        ("other/x", r#"{"zone": "b"}"#, r#"[None, Some("b")]"#),
    ] {
        environment.redis.command(&["FLUSHALL"]).await.unwrap();
        let observe = json!({"do": "observe"}).to_string();
        environment.upload(object, observe).await.unwrap();
        let seen = &held(&environment.redis).await["observed"];
        let seen = (&seen["settings"], &seen["region_and_zone"]);
        assert_eq!(seen, (&json!(all), &json!(region_and_zone)), "{object}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_a_chain_feed_one_another() {
    let environment = environment(&[]).await;
    environment
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"\"\nplugin = [\"command.wasm\", \"command.wasm\"]\n",
    );
    let report = environment.upload("x", "upper\nhello").await.unwrap();
    assert_eq!(report["objects"][0]["plugin"], "command.wasm,command.wasm");
    assert_held(&environment, json!({"x": "HELLO"})).await;

    let route = "[[route]]\nprefix = \"\"\nplugin = [\"flags.wasm\", \"command.wasm\"]\n";
    change_plugins(&environment, "plugins/routes.toml", Some(route.as_bytes())).await;
    let failed = message(
        environment
            .upload(
                "y",
                yields(&json!({"a": {"bytes": ""}, "b": {"bytes": ""}})),
            )
            .await,
    );
    assert!(
        failed.contains("plugin `flags.wasm` must return a single bytes entry of `y`"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_and_compiled_modules_are_no_config_objects() {
    let environment = environment(&[]).await;
    environment.upload("compiled/x", "binary").await.unwrap();
    environment
        .upload("plugins/readme.txt", "text")
        .await
        .unwrap();
    assert_held(&environment, json!({})).await;
}
