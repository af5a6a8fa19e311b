//! Who has put an object and who has uploaded its plugin, as S3's events tell.

use crate::environment::{environment, sync};
use crate::objects::one;
use redis_sync_local::{BUCKET, Environment, event};
use redis_sync_tests::{compiled, guest};
use serde_json::{Value, json};

/// The event of what was put with that entity tag, by somebody.
pub(crate) fn put_by(key: &str, etag: &str, principal: &str) -> Value {
    let mut event = event::created(BUCKET, key);
    let record = &mut event["Records"][0];
    record["s3"]["object"]["eTag"] = json!(etag);
    record["userIdentity"]["principalId"] = json!(principal);
    record["requestParameters"]["sourceIPAddress"] = json!("203.0.113.7");
    event
}

/// Puts an object, and has its event delivered.
async fn put(environment: &Environment, key: &str, body: impl AsRef<[u8]>, principal: &str) {
    let etag = environment.s3.put(key, body);
    let event = put_by(key, &etag, principal);
    environment.function.invoke(event).await.unwrap();
}

async fn explained(environment: &Environment) -> Value {
    let request = json!({"explain": "k"});
    environment.function.invoke(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_who_put_the_object_and_who_uploaded_its_plugin() {
    let environment = environment(&[]).await;
    put(&environment, "flags/a", one("k"), "AWS:ALICE").await;
    let answer = explained(&environment).await;
    assert_eq!(
        (&answer["principal"], &answer["source_ip"]),
        (&json!("AWS:ALICE"), &json!("203.0.113.7"))
    );
    assert_eq!(answer["plugins"][0].get("principal"), None);
    // A sync, which knows of no event, keeps what is known of the same state.
    sync(&environment, json!({"force": true})).await;
    assert_eq!(explained(&environment).await["principal"], "AWS:ALICE");

    let module = guest::scripted();
    put(&environment, "plugins/flags.wasm", module, "AWS:BOB").await;
    let answer = explained(&environment).await;
    assert_eq!(answer["principal"], "AWS:ALICE", "{answer}");
    assert_eq!(
        (
            &answer["plugins"][0]["principal"],
            &answer["plugins"][0]["source_ip"]
        ),
        (&json!("AWS:BOB"), &json!("203.0.113.7"))
    );

    // Nobody is blamed for what another has put: the event is of an earlier state.
    let etag = environment.s3.put("flags/a", one("k"));
    environment.s3.put("flags/a", format!("{} ", one("k")));
    let late = put_by("flags/a", &etag, "AWS:CAROL");
    environment.function.invoke(late).await.unwrap();
    let answer = explained(&environment).await;
    assert_eq!(
        (answer.get("principal"), answer.get("source_ip")),
        (None, None)
    );
}

/// EventBridge has other names for it, and a principal may be long.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_of_a_principal_is_bounded() {
    let environment = environment(&[]).await;
    let etag = environment.s3.put("flags/a", one("k"));
    let event = json!({
        "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": "flags/a", "etag": etag},
            "requester": "x".repeat(1000), "source-ip-address": "203.0.113.8"},
    });
    environment.function.invoke(event).await.unwrap();
    let answer = explained(&environment).await;
    assert_eq!(answer["principal"], "x".repeat(64));
    assert_eq!(answer["source_ip"], "203.0.113.8");
    let record = "redis-sync:object:config/flags/a";
    let encoding = ["OBJECT", "ENCODING", record];
    let encoding = environment.redis.command(&encoding).await.unwrap();
    assert_eq!(
        encoding, "listpack",
        "a record stays in one piece of memory"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn principals_are_not_recorded_where_they_are_not_to_be() {
    let environment = environment(&[("RECORD_PRINCIPALS", "false")]).await;
    put(&environment, "flags/a", one("k"), "AWS:ALICE").await;
    let module = compiled::variant("A");
    put(&environment, "plugins/flags.wasm", module, "AWS:BOB").await;
    let kept = environment.redis.command(&["KEYS", "redis-sync:up*"]);
    assert_eq!(kept.await.unwrap(), "");
    let request = json!({"explain": "Ak"});
    let answer = environment.function.invoke(request).await.unwrap();
    assert_eq!(
        (answer.get("principal"), answer.get("source_ip")),
        (None, None)
    );
    assert!(!answer.to_string().contains("BOB"), "{answer}");
}
