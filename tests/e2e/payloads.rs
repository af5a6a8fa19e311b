//! Payloads as AWS sends them, and what answers say.

use redis_sync_local::{Environment, event};
use serde_json::{Value, json};

/// A payload as AWS documents it.
pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A batch of SQS with one S3 notification a message, whose identifiers are `0`, `1`, …
pub(crate) fn queued(keys: &[String]) -> Value {
    let records = keys.iter().enumerate().map(|(place, key)| {
        json!({
            "messageId": place.to_string(),
            "body": event::created("config", key).to_string(),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:config-changes",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// The identifiers that an answer names, and nothing else is in it.
pub(crate) fn identifiers(answer: &Value) -> Vec<String> {
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    let failures = answer["batchItemFailures"].as_array().unwrap();
    let identifier = |failure: &Value| {
        assert_eq!(failure.as_object().unwrap().len(), 1, "{answer}");
        failure["itemIdentifier"].as_str().unwrap().to_owned()
    };
    failures.iter().map(identifier).collect()
}

/// The answer to a documented payload.
pub(crate) async fn invoke(environment: &Environment, name: &str) -> Value {
    environment.function.invoke(fixture(name)).await.unwrap()
}
