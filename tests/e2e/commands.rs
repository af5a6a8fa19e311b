//! Command plugins: plain WASI programs.

use crate::answers::message;
use crate::environment::{assert_held, change_plugins, environment};
use redis_sync_tests::guest;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_plugin_stores_its_stdout_or_an_entries_document() {
    let environment = environment(&[]).await;
    environment
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    environment
        .upload("command/value", "echo\nhello")
        .await
        .unwrap();
    assert_held(&environment, json!({"command/value": "hello"})).await;

    let route = "[[route]]\nprefix = \"\"\nplugin = \"command.wasm\"\noutput = \"entries\"\n";
    change_plugins(&environment, "plugins/routes.toml", Some(route.as_bytes())).await;
    let document = r#"[{"key": "h", "type": "hash", "value": {"f": "v"}}]"#;
    environment
        .upload("command/value", format!("echo\n{document}"))
        .await
        .unwrap();
    assert_held(&environment, json!({"h": {"f": "v"}})).await;

    let failed = message(environment.upload("command/value", "echo\n[{]").await);
    assert!(
        failed.contains("its stdout is not an entries document: not JSON (line 1, column 3)"),
        "{failed}"
    );
    let failed = message(
        environment
            .upload("command/value", "fail\nthe last line")
            .await,
    );
    assert!(
        failed.contains("plugin `command.wasm` failed on `command/value`: the last line"),
        "{failed}"
    );
    assert_held(&environment, json!({"h": {"f": "v"}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sees_its_object_and_its_settings_and_nothing_of_the_host() {
    let environment = environment(&[]).await;
    environment
        .s3
        .put("plugins/command.wasm", guest::module("command"));
    environment.s3.put("plugins/routes.toml", "[[route]]\nprefix = \"\"\nplugin = \"command.wasm\"\nsettings = { region = \"eu\", count = 3 }\n");
    let etag = environment
        .s3
        .put_with("x.json", "environment\n", "application/json", &[]);
    environment
        .function
        .invoke(redis_sync_local::event::created(
            environment.s3.bucket(),
            "x.json",
        ))
        .await
        .unwrap();
    let seen = format!(
        "OBJECT_BUCKET=config\nOBJECT_CONTENT_TYPE=application/json\nOBJECT_ETAG={etag}\nOBJECT_KEY=x.json\ncount=3\nregion=eu\n[\"command.wasm\", \"x.json\"]"
    );
    assert_held(&environment, json!({"x.json": seen})).await;
}
