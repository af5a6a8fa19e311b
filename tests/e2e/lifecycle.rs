//! Put, overwrite, delete.

use redis_sync::local::Environment;
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, program};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_put_overwritten_and_deleted() {
    let environment = Environment::start(program::bootstrap()).await.unwrap();
    environment
        .s3
        .put("plugins/flags.wasm", guest::module("scenario"));

    let flags = json!({"do": "yield", "entries": {"a": {"bytes": "1"}, "b": {"hash": {"f": "v"}}}});
    let report = environment
        .upload("flags/x.json", flags.to_string())
        .await
        .unwrap();
    assert_eq!(report["objects"][0]["outcome"], "synced", "{report}");
    assert_eq!(
        held(&environment.redis).await,
        json!({"a": "1", "b": {"f": "v"}})
    );

    let fewer = json!({"do": "yield", "entries": {"b": {"list": ["x", "y"]}}});
    environment
        .upload("flags/x.json", fewer.to_string())
        .await
        .unwrap();
    assert_eq!(held(&environment.redis).await, json!({"b": ["x", "y"]}));

    let report = environment.remove("flags/x.json").await.unwrap();
    assert_eq!(report["objects"][0]["outcome"], "deleted", "{report}");
    assert_eq!(held(&environment.redis).await, json!({}));
}
