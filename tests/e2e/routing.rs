//! Which plugin takes an object, and what happens where none can.

use crate::scenario;
use crate::world::{assert_held, message, outcome, world, world_with, yields};
use redis_sync_tests::guest;
use serde_json::json;

/// The text of `flags/x.json` in every test here.
fn object() -> String {
    yields(json!({"k": {"bytes": "v"}}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmatched_object_is_stored_as_it_is() {
    let world = world().await;
    let report = world.upload("other.txt", "as it is").await.unwrap();
    assert_eq!(outcome(&report), "synced");
    assert_eq!(report["objects"][0]["plugin"], json!(null));
    assert_held(&world, json!({"other.txt": "as it is"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmatched_object_is_skipped_where_that_is_wanted() {
    let world = world_with(&[("UNMATCHED", "skip")]).await;
    assert_eq!(
        outcome(&world.upload("other.txt", "as it is").await.unwrap()),
        "skipped"
    );
    assert_held(&world, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_wins_and_a_flagship_is_no_flag() {
    let world = world().await;
    world
        .s3
        .put("plugins/flags/eu.wasm", scenario::variant("eu."));
    world
        .upload("flags/us.json", yields(json!({"us": {"bytes": "1"}})))
        .await
        .unwrap();
    world
        .upload("flags/eu/x.json", yields(json!({"k": {"bytes": "2"}})))
        .await
        .unwrap();
    world.upload("flagship.json", "plain").await.unwrap();
    assert_held(
        &world,
        json!({"us": "1", "euk": "2", "flagship.json": "plain"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_wins_over_convention() {
    let world = world().await;
    world.s3.put("plugins/other.wasm", scenario::variant("M"));
    world.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"other.wasm\"\nttl_seconds = 500\n",
    );
    world.upload("flags/x.json", object()).await.unwrap();
    world.upload("other/x.json", "not routed").await.unwrap();
    assert_held(&world, json!({"Mk": "v", "other/x.json": "not routed"})).await;
    let ttl: u64 = world
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
    let world = world().await;
    world.upload("flags/x.json", object()).await.unwrap();
    world.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\nfule = 1\n",
    );
    let failed = message(
        world
            .upload("flags/x.json", yields(json!({"other": {"bytes": "2"}})))
            .await,
    );
    assert!(
        failed.contains("`routes.toml` is not valid: line 4: unknown field `fule`"),
        "{failed}"
    );
    let failed = message(world.upload("unmatched.txt", "raw").await);
    assert!(failed.contains("`routes.toml` is not valid"), "{failed}");
    assert_held(&world, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_module_fails_the_objects_of_its_route_only() {
    let world = world().await;
    world.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n[[route]]\nprefix = \"lost/\"\nplugin = \"lost.wasm\"\n",
    );
    let failed = message(world.upload("lost/x.json", object()).await);
    assert!(
        failed.contains(
            "the route `lost/` of `routes.toml` names the plugin `lost.wasm`, which is not there"
        ),
        "{failed}"
    );
    world.upload("flags/x.json", object()).await.unwrap();
    assert_held(&world, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_cannot_be_loaded_is_refused_with_the_reason() {
    let world = world().await;
    world.upload("flags/x.json", object()).await.unwrap();
    let program = |import: &str| {
        wat::parse_str(format!(
            "(module {import} (memory (export \"memory\") 1) (func (export \"_start\")))"
        ))
        .unwrap()
    };
    for (module, reason) in [
        (b"not wasm".to_vec(), "not a WebAssembly module"),
        (
            guest::module("scenario")[..5000].to_vec(),
            "not valid WebAssembly",
        ),
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
        world.s3.put("plugins/flags.wasm", module);
        let failed = message(
            world
                .upload("flags/x.json", yields(json!({"other": {"bytes": "2"}})))
                .await,
        );
        assert!(
            failed.contains("plugin `flags.wasm` cannot run on `flags/x.json`")
                && failed.contains(reason),
            "{reason}: {failed}"
        );
    }
    assert_held(&world, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_pins_its_module_and_bounds_its_keys() {
    let world = world().await;
    let route =
        |line: &str| format!("[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n{line}\n");
    world.s3.put(
        "plugins/routes.toml",
        route(&format!("sha256 = \"{}\"", "0".repeat(64))),
    );
    let failed = message(world.upload("flags/x.json", object()).await);
    assert!(failed.contains("not the one its route names"), "{failed}");
    world
        .s3
        .put("plugins/routes.toml", route("keys = [\"flags:*\"]"));
    let failed = message(world.upload("flags/x.json", object()).await);
    assert!(
        failed.contains("does not let it write the key `k`"),
        "{failed}"
    );
    world
        .upload("flags/x.json", yields(json!({"flags:k": {"bytes": "v"}})))
        .await
        .unwrap();
    assert_held(&world, json!({"flags:k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_plugin_stores_its_stdout_or_an_entries_document() {
    let world = world().await;
    world
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    world.upload("command/value", "echo\nhello").await.unwrap();
    assert_held(&world, json!({"command/value": "hello"})).await;

    world.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"\"\nplugin = \"command.wasm\"\noutput = \"entries\"\n",
    );
    let document = r#"[{"key": "h", "type": "hash", "value": {"f": "v"}}]"#;
    world
        .upload("command/value", format!("echo\n{document}"))
        .await
        .unwrap();
    assert_held(&world, json!({"h": {"f": "v"}})).await;

    let failed = message(world.upload("command/value", "echo\n[{]").await);
    assert!(
        failed.contains("its stdout is not an entries document: not JSON (line 1, column 3)"),
        "{failed}"
    );
    let failed = message(world.upload("command/value", "fail\nthe last line").await);
    assert!(
        failed.contains("plugin `command.wasm` failed on `command/value`: the last line"),
        "{failed}"
    );
    assert_held(&world, json!({"h": {"f": "v"}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sees_its_object_and_its_settings_and_nothing_of_the_host() {
    let world = world().await;
    world
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    world.s3.put("plugins/routes.toml", "[[route]]\nprefix = \"\"\nplugin = \"command.wasm\"\nsettings = { region = \"eu\", count = 3 }\n");
    let etag = world
        .s3
        .put_with("x.json", "environment\n", "application/json", &[]);
    world
        .function
        .invoke(redis_sync_local::event::created(
            world.s3.bucket(),
            "x.json",
        ))
        .await
        .unwrap();
    let seen = format!(
        "OBJECT_BUCKET=config\nOBJECT_CONTENT_TYPE=application/json\nOBJECT_ETAG={etag}\nOBJECT_KEY=x.json\ncount=3\nregion=eu\n[\"command.wasm\", \"x.json\"]"
    );
    assert_held(&world, json!({"x.json": seen})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_a_chain_feed_one_another() {
    let world = world().await;
    world
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    world.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"\"\nplugin = [\"command.wasm\", \"command.wasm\"]\n",
    );
    let report = world.upload("x", "upper\nhello").await.unwrap();
    assert_eq!(report["objects"][0]["plugin"], "command.wasm,command.wasm");
    assert_held(&world, json!({"x": "HELLO"})).await;

    world.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"\"\nplugin = [\"flags.wasm\", \"command.wasm\"]\n",
    );
    let failed = message(
        world
            .upload("y", yields(json!({"a": {"bytes": ""}, "b": {"bytes": ""}})))
            .await,
    );
    assert!(
        failed.contains("plugin `flags.wasm` must return a single bytes entry of `y`"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_and_compiled_modules_are_no_config_objects() {
    let world = world().await;
    world.upload("compiled/x", "binary").await.unwrap();
    world.upload("plugins/readme.txt", "text").await.unwrap();
    assert_held(&world, json!({})).await;
}
