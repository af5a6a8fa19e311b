//! The transcript of an operator's day, played on a real bucket and a real Redis: it is the documentation
//! of these commands. `TRYCMD=overwrite` writes what is answered now.

use crate::typed::expect;
use redis_sync_local::{ACCESS_KEY_ID, BUCKET, REGION, Redis, S3, SECRET_ACCESS_KEY, variables};
use redis_sync_tests::guest;
use serde_json::json;
use std::path::Path;

/// Puts modules into the folder in which the transcript is played.
fn modules(modules: &[(&str, Vec<u8>)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/live/operator.in");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, module) in modules {
        std::fs::write(folder.join(name), module).unwrap();
    }
}

fn flags(key: &str, fields: &serde_json::Value) -> String {
    json!({"do": "yield", "entries": {key: {"hash": fields}}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_day_is_as_it_is_written() {
    let (s3, old, redis) =
        tokio::try_join!(S3::start(BUCKET), S3::start("old-config"), Redis::start()).unwrap();
    old.put("search", "on");
    expect(
        &["sync", "--yes"],
        &variables(&old, &redis),
        0,
        &["1 synced"],
    )
    .await;
    s3.enable_versioning();
    guest::upload(&s3);
    s3.put(
        "flags/checkout.json",
        flags("checkout", &json!({"dark": "on", "beta": "off"})),
    );
    s3.put(
        "flags/basket.json",
        flags("basket", &json!({"limit": "20"})),
    );
    s3.put(
        "flags/broken.json",
        json!({"do": "fail", "message": "`limit` is no number"}).to_string(),
    );
    modules(&[
        ("v2.wasm", guest::scripted_variant("v2:")),
        ("other.wasm", guest::module("supplier-permissions")),
    ]);
    let play = move || {
        let cases = trycmd::TestCases::new();
        cases.env("NO_COLOR", "1").env("COLUMNS", "100");
        cases
            .env("AWS_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        cases.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        cases.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        cases.env("COMPILED_CACHE_KEY", "0123456789abcdef0123456789abcdef");
        for (name, value) in variables(&s3, &redis) {
            cases.env(name, value);
        }
        cases.case("tests/transcripts/live/*.trycmd");
        cases.run();
    };
    tokio::task::spawn_blocking(play).await.unwrap();
}
