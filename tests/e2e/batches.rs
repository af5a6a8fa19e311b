//! S3 Batch Operations: a result a task.

use crate::environment::{assert_held, environment};
use crate::objects::{failing, one};
use crate::payloads::fixture;
use redis_sync_local::{Effect, Environment, Fault, Operation};
use serde_json::{Value, json};

/// The answer of a job with one task, apart from what it echoes.
async fn batch_result(environment: &Environment, event: &Value) -> (String, String) {
    let answer = environment.function.invoke(event).await.unwrap();
    let result = answer["results"][0].clone();
    let expected = json!({
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [{
            "taskId": event["tasks"][0]["taskId"],
            "resultCode": result["resultCode"],
            "resultString": result["resultString"],
        }],
    });
    assert_eq!(answer, expected);
    let text = |name: &str| result[name].as_str().unwrap().to_owned();
    (text("resultCode"), text("resultString"))
}

fn verdict(code: &str, text: &str) -> (String, String) {
    (code.to_owned(), text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_task_gets_its_result() {
    let environment = environment(&[]).await;
    let job = fixture("batch-1.0");
    environment.s3.put("flags/red flower+.json", one("a"));
    assert_eq!(
        batch_result(&environment, &job).await,
        verdict("Succeeded", "synced")
    );
    assert_held(&environment, json!({"a": "v"})).await;
    environment.s3.delete("flags/red flower+.json");
    assert_eq!(
        batch_result(&environment, &job).await,
        verdict("Succeeded", "deleted")
    );
    assert_held(&environment, json!({})).await;

    environment.s3.put("flags/red flower+.json", failing());
    let (code, why) = batch_result(&environment, &job).await;
    assert_eq!(code, "PermanentFailure");
    assert!(
        why.contains("plugin `flags.wasm`") && why.contains("no"),
        "{why}"
    );
    environment.s3.fail(Operation::GetObject, 3, 503);
    let (code, why) = batch_result(&environment, &job).await;
    assert_eq!(code, "TemporaryFailure");
    assert!(
        why.contains("S3 cannot read `flags/red flower+.json`"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plus_in_a_batch_key_is_a_space_only_where_there_is_no_object_with_the_plus() {
    let environment = environment(&[]).await;
    let job = fixture("batch-2.0");
    environment.s3.put("flags/a b.json", one("space"));
    assert_eq!(
        batch_result(&environment, &job).await,
        verdict("Succeeded", "synced")
    );
    assert_held(&environment, json!({"space": "v"})).await;
    environment.s3.put("flags/a+b.json", one("plus"));
    assert_eq!(
        batch_result(&environment, &job).await,
        verdict("Succeeded", "synced")
    );
    assert_held(&environment, json!({"space": "v", "plus": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_another_bucket_is_refused_by_its_name() {
    let environment = environment(&[]).await;
    let mut job = fixture("batch-2.0");
    job["tasks"][0]["s3Bucket"] = json!("another");
    let (code, why) = batch_result(&environment, &job).await;
    assert_eq!(code, "PermanentFailure");
    assert!(why.contains("the bucket `another`"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_gets_a_result_of_its_own() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/good é.json", one("good"));
    environment.s3.put("flags/bad.json", failing());
    environment.s3.put("flags/away.json", one("away"));
    environment.s3.inject(Fault {
        operation: Operation::GetObject,
        key: Some("flags/away.json".to_owned()),
        times: None,
        effect: Effect::Fail(503),
    });
    let tasks = [
        ("good", "flags/good%20%C3%A9.json"),
        ("bad", "flags/bad.json"),
        ("away", "flags/away.json"),
        ("gone", "flags/gone.json"),
        ("garbled", "flags/%FF.json"),
        ("empty", ""),
        ("plugin", "compiled/x"),
    ];
    let mut job = fixture("batch-2.0");
    job["tasks"] = tasks
        .iter()
        .map(|(id, key)| {
            json!({"taskId": id, "s3Key": key, "s3VersionId": null, "s3Bucket": "config"})
        })
        .collect();
    let answer = environment.function.invoke(&job).await.unwrap();
    let results = answer["results"].as_array().unwrap();
    let expected = [
        ("Succeeded", "synced"),
        ("PermanentFailure", "plugin `flags.wasm`"),
        (
            "TemporaryFailure",
            "S3 cannot read `flags/away.json`: SlowDown",
        ),
        ("Succeeded", "deleted"),
        ("PermanentFailure", "the key `flags/%FF.json` is not UTF-8"),
        ("PermanentFailure", "the key is empty"),
        ("Succeeded", "not a config object"),
    ];
    assert_eq!(results.len(), expected.len(), "{answer}");
    for ((result, (id, _)), (code, text)) in results.iter().zip(tasks).zip(expected) {
        assert_eq!(
            (&result["taskId"], &result["resultCode"]),
            (&json!(id), &json!(code))
        );
        let said = result["resultString"].as_str().unwrap();
        assert!(said.starts_with(text), "{id}: {said}");
    }
    assert_held(&environment, json!({"good": "v"})).await;
}
