//! Programs in the plain idioms of their languages: read everything, write everything, no SDK. Each
//! language brings an allocator of its own that takes all of its memory for its own.

use super::{plugin, upload};
use redis_sync_local::Environment;
use redis_sync_tests::held::held;
use redis_sync_tests::{compiled, program};
use serde_json::{Value, json};

/// A body of ten megabytes, in lines that are all different.
fn lines() -> Vec<String> {
    let line = |number: u32| format!("{:08x} a line of text", number.wrapping_mul(2_654_435_761));
    (0..430_000).map(line).collect()
}

async fn environment(module: &str) -> Environment {
    let bytes = plugin(module);
    let folder = compiled::folder_with(&bytes).display().to_string();
    let environment = Environment::start_with(program::bootstrap(), [("COMPILED_DIR", folder)])
        .await
        .unwrap();
    environment.s3.put(&format!("plugins/{module}"), bytes);
    let route = |mode: &str| {
        format!(
            "[[route]]\nprefix = \"{mode}/\"\nplugin = \"{module}\"\nsettings = {{ MODE = \"{mode}\" }}\n"
        )
    };
    let routes = ["upper", "sort", "json", "none"].map(route).concat();
    environment.s3.put("plugins/routes.toml", routes);
    environment
}

/// What becomes of that body in that mode.
async fn output(environment: &Environment, mode: &str, body: &str) -> String {
    let key = format!("{mode}/object");
    assert_eq!(upload(environment, &key, body).await, None, "{mode}");
    held(&environment.redis).await[&key]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn upper_and_sort(module: &str) -> Environment {
    let environment = environment(module).await;
    for body in ["", "one line", "grüße\nb\na\n"] {
        // C's `toupper` leaves what is not ASCII alone.
        let upper = output(&environment, "upper", body).await;
        assert_eq!(upper.to_uppercase(), body.to_uppercase(), "{module}");
    }
    assert_eq!(
        output(&environment, "sort", "c\na\nb\n").await,
        "a\nb\nc\n",
        "{module}"
    );
    let large = lines();
    let upper = output(&environment, "upper", &large.join("\n")).await;
    assert!(
        upper == large.join("\n").to_uppercase(),
        "{module}: 10 MB are not what went in"
    );
    let error = upload(&environment, "none/object", "").await.unwrap();
    assert!(error.contains("mode"), "{module}: {error}");
    environment
}

async fn with_json(module: &str) {
    let environment = upper_and_sort(module).await;
    let mut sorted = lines();
    let output_of_large = output(&environment, "sort", &sorted.join("\n")).await;
    sorted.sort_unstable();
    assert!(
        output_of_large.lines().eq(sorted.iter()),
        "{module}: not sorted"
    );
    let document = output(&environment, "json", r#"{"a": [1, {"b": null}], "c": "d"}"#).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        document,
        json!({"a": [1, {"b": null}], "c": "d", "seen": 2}),
        "{module}"
    );
    let error = upload(&environment, "json/object", "{").await.unwrap();
    assert!(
        error.contains("failed on `json/object`"),
        "{module}: {error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_go() {
    with_json("plain-go.wasm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_rust() {
    with_json("plain-rust.wasm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_c() {
    upper_and_sort("plain-c.wasm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_assemblyscript() {
    upper_and_sort("plain-assemblyscript.wasm").await;
}
