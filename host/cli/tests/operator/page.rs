//! A preview as a page.

use crate::publishing::system;
use crate::typed::{expect, typed};
use redis_sync_tests::guest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The page that `make look` opens in a browser.
fn page() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("preview.html")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_the_same_and_no_values_unless_it_is_asked_for() {
    let (s3, _redis, variables) = system().await;
    s3.put("plugins/flags.wasm", guest::scripted());
    let hash =
        |fields: Value| json!({"do": "yield", "entries": {"h": {"hash": fields}}}).to_string();
    s3.put(
        "flags/<b>.json",
        hash(json!({"<i>field</i>": "secret value", "kept": "1"})),
    );
    s3.put("flags/bad", "no JSON");
    expect(&["sync", "--yes"], &variables, 1, &["2 synced"]).await;
    s3.put(
        "flags/<b>.json",
        hash(json!({"<i>field</i>": "another secret", "new": "2"})),
    );
    s3.put(
        "flags/c",
        json!({"do": "fail", "message": "<script>no"}).to_string(),
    );
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("same.wasm").display().to_string();
    std::fs::write(&module, guest::scripted()).unwrap();
    let file = page().display().to_string();
    let words = [
        "preview",
        module.as_str(),
        "--route",
        "flags/",
        "--html",
        &file,
    ];
    expect(
        &words,
        &variables,
        1,
        &[
            "it fails now as well",
            "~ <i>field</i> (12 bytes → 14 bytes)",
        ],
    )
    .await;
    let html = std::fs::read_to_string(page()).unwrap();
    assert!(!html.contains("secret") && !html.contains("<i>field") && !html.contains("<script"));
    assert!(html.contains("&lt;i&gt;field&lt;/i&gt;") && html.contains("flags/&lt;b&gt;.json"));
    let words = [&words[..], &["--show-values", "--json"]].concat();
    let (_, said) = typed(&words, &variables).await;
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        document["changed"][0]["changes"][0]["fields"][0]["before"],
        "secret value"
    );
    let counts = [
        &document["objects"],
        &document["would_change"],
        &document["would_fail_anew"],
    ];
    assert_eq!(counts, [&json!(4), &json!(1), &json!(1)]);
}
