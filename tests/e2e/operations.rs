//! What an operator asks directly.

use crate::answers::message;
use crate::environment::environment;
use crate::objects::{one, yields};
use redis_sync_local::event;
use redis_sync_tests::guest;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn read_gives_a_value_of_every_type() {
    let environment = environment(&[]).await;
    let entries = json!({
        "bytes": {"bytes": "text"}, "hash": {"hash": {"f": "v"}}, "list": {"list": ["b", "a", "b"]},
        "set": {"set": ["a"]}, "scores": {"sorted_set": [["m", 1.5], ["n", 2.0], ["o", 3.0]]},
    });
    environment
        .upload("flags/a.json", yields(&entries))
        .await
        .unwrap();
    for (key, expected) in [
        ("bytes", json!("text")),
        ("hash", json!({"f": "v"})),
        ("list", json!(["b", "a", "b"])),
        ("set", json!(["a"])),
        ("scores", json!([["m", 1.5], ["n", 2.0], ["o", 3.0]])),
        ("absent", json!(null)),
    ] {
        let value = environment
            .function
            .invoke(json!({"read": key}))
            .await
            .unwrap();
        assert_eq!(value, expected, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_who_wrote_a_key() {
    let environment = environment(&[("REDIS_KEY_PREFIX", "p:")]).await;
    let etag = environment.s3.put("flags/a.json", one("k"));
    environment
        .function
        .invoke(event::created("config", "flags/a.json"))
        .await
        .unwrap();
    let mut answer = environment
        .function
        .invoke(json!({"explain": "k"}))
        .await
        .unwrap();
    assert!(answer["written_at"].take().as_u64().unwrap() > 1_700_000_000_000);
    let digest = redis_sync::fingerprint::sha256(&guest::scripted());
    let expected = json!({
        "key": "p:k", "object": "config/flags/a.json", "etag": etag, "version_id": null,
        "plugins": [{"name": "flags.wasm", "sha256": digest}], "written_at": null,
    });
    assert_eq!(answer, expected);
    let nobody = environment
        .function
        .invoke(json!({"explain": "other"}))
        .await
        .unwrap();
    assert_eq!(nobody, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_and_names_what_failed() {
    let environment = environment(&[]).await;
    let status = || async {
        environment
            .function
            .invoke(json!({"status": {}}))
            .await
            .unwrap()
    };
    assert_eq!(
        status().await,
        json!({"objects": 0, "failed": 0, "failures": []})
    );
    environment.upload("flags/a.json", one("a")).await.unwrap();
    environment.upload("flags/b.json", one("b")).await.unwrap();
    message(environment.upload("flags/b.json", "broken").await);
    message(environment.upload("flags/c.json", "broken").await);
    let mut answer = status().await;
    assert_eq!(
        (&answer["objects"], &answer["failed"]),
        (&json!(2), &json!(2))
    );
    let failures = answer["failures"].take();
    for (place, key) in ["flags/b.json", "flags/c.json"].into_iter().enumerate() {
        assert_eq!(failures[place]["key"], key);
        assert!(
            failures[place]["error"]
                .as_str()
                .unwrap()
                .contains("`flags.wasm`"),
            "{failures}"
        );
        assert!(failures[place]["at"].as_u64().unwrap() > 1_700_000_000_000);
    }
    environment.upload("flags/b.json", one("b")).await.unwrap();
    environment.remove("flags/c.json").await.unwrap();
    assert_eq!(
        status().await,
        json!({"objects": 2, "failed": 0, "failures": []})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_invocation_writes_its_metrics() {
    let environment = environment(&[("METRICS_NAMESPACE", "Config")]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    message(environment.upload("flags/a.json", "broken").await);
    let last = environment
        .function
        .wait_for_log("\"ObjectsFailed\":1")
        .await;
    last.unwrap();
    let lines = environment.function.logs();
    let metrics: Vec<Value> = lines
        .iter()
        .filter(|line| line.contains("\"_aws\"") && line.contains("\"Duration\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(metrics.len(), 2, "{lines:?}");
    for (line, (synced, failed)) in metrics.iter().zip([(1, 0), (0, 1)]) {
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Config");
        assert_eq!(line["FunctionName"], "redis-sync");
        assert_eq!(
            (&line["ObjectsSynced"], &line["ObjectsFailed"]),
            (&json!(synced), &json!(failed))
        );
        assert_eq!(line["InvocationsFailed"], failed);
        assert!(line["Duration"].as_f64().unwrap() > 0.0);
    }
}
