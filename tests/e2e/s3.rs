//! S3 as it really is: limits, broken bodies, refusals, versions, keys of every kind, and objects
//! that change while they are read.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, environment, sync};
use crate::objects::one;
use redis_sync_local::{Effect, Environment, Fault, Operation, event};
use serde_json::json;

/// Keys that somebody reads otherwise than they are written: as a path, a form, a line, a number of letters.
const KEYS: [&str; 29] = [
    "a b.txt",
    "a+b.txt",
    "a%20b.txt",
    "a%2Bb.txt",
    "a%252Bb.txt",
    "100%",
    "%",
    "+",
    " at both ends ",
    "é/ü/漢字🦀.txt",
    // One letter, and the same as a letter with a mark after it.
    "\u{e9}",
    "e\u{301}",
    // One picture out of five characters.
    "👩\u{200d}👩\u{200d}👧",
    "\u{feff}\u{202e}\u{10ffff}",
    "a//b",
    "/leading",
    "trailing/",
    "./dot",
    "../up",
    "..",
    "a/../b",
    "a\\b",
    "q?x=1&y=2#z",
    "'\"<>|^`{}[]~",
    "!-_.*'()",
    "tab\there",
    "two\nlines\r\n",
    "\u{1}\u{7f}",
    "$@:;=,",
];

async fn created(
    environment: &Environment,
    key: &str,
) -> Result<serde_json::Value, redis_sync_local::InvokeError> {
    environment
        .function
        .invoke(event::created("config", key))
        .await
}

fn fault(key: &str, times: Option<u32>, effect: Effect) -> Fault {
    Fault {
        operation: Operation::GetObject,
        key: Some(key.to_owned()),
        times,
        effect,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_over_the_limit_is_not_read() {
    let environment = environment(&[("MAX_OBJECT_BYTES", "10")]).await;
    environment.upload("a.txt", "0123456789").await.unwrap();
    let why = message(environment.upload("a.txt", "0123456789x").await);
    assert_eq!(
        why,
        "1 of 1 object failed: `a.txt`: `a.txt` has 11 bytes, more than MAX_OBJECT_BYTES=10"
    );
    assert_held(&environment, json!({"a.txt": "0123456789"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_also_where_s3_announces_no_length() {
    let environment = environment(&[("MAX_OBJECT_BYTES", "1000000")]).await;
    environment.s3.put("a.txt", "a".repeat(1_000_000));
    let inject = |effect| environment.s3.inject(fault("a.txt", Some(1), effect));
    inject(Effect::Unannounced);
    assert_eq!(
        outcome(&created(&environment, "a.txt").await.unwrap()),
        "synced"
    );
    environment.s3.put("a.txt", "b".repeat(100_000));
    inject(Effect::Endless);
    let why = message(created(&environment, "a.txt").await);
    let expected = "`a.txt` does not end after MAX_OBJECT_BYTES=1000000";
    assert_eq!(why, format!("1 of 1 object failed: `a.txt`: {expected}"));
    inject(Effect::Endless);
    let report = environment
        .function
        .invoke(json!({"sync": {}}))
        .await
        .unwrap();
    assert_eq!(report["failed"][0]["error"], expected, "{report}");
    // Each was asked for once: what is too long is not tried again.
    assert_eq!(environment.s3.count_of(Operation::GetObject, "a.txt"), 3);
    assert_held(&environment, json!({"a.txt": "a".repeat(1_000_000)})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_over_the_limit_is_not_read() {
    let environment = environment(&[]).await;
    environment.s3.put("plugins/long.wasm", vec![0; 1 << 20]);
    environment.s3.put("long", "{}");
    environment
        .s3
        .inject(fault("plugins/long.wasm", None, Effect::Endless));
    let why = message(created(&environment, "long").await);
    let expected = "`plugins/long.wasm` does not end after 67108864 bytes, the most that is read";
    assert_eq!(why, format!("1 of 1 object failed: `long`: {expected}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_s3_from_answering_is_said_once() {
    for (endpoint, cause) in [
        ("http://127.0.0.1:1", "Connection refused (os error 111)"),
        ("http://no-such-host.invalid", "failed to lookup address"),
        ("https://127.0.0.1:1", "Connection refused (os error 111)"),
    ] {
        let environment = environment(&[("AWS_ENDPOINT_URL", endpoint)]).await;
        let why = message(created(&environment, "a.txt").await);
        let start = "1 of 1 object failed: `a.txt`: S3 cannot list `plugins/`: dispatch failure: ";
        assert!(why.starts_with(start), "{why}");
        assert_eq!(why.matches(cause).count(), 1, "{why}");
        assert!(!why.contains('{') && !why.contains("Error("), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_read_again_from_its_start() {
    let environment = environment(&[]).await;
    environment.s3.put("a.txt", "0123456789".repeat(20_000));
    environment
        .s3
        .inject(fault("a.txt", Some(2), Effect::BreakBody(100_000)));
    assert_eq!(
        outcome(&created(&environment, "a.txt").await.unwrap()),
        "synced"
    );
    assert_eq!(environment.s3.count_of(Operation::GetObject, "a.txt"), 3);
    assert_held(&environment, json!({"a.txt": "0123456789".repeat(20_000)})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_every_time_fails_the_object() {
    let environment = environment(&[]).await;
    environment.upload("a.txt", "old").await.unwrap();
    environment.s3.put("a.txt", "new ".repeat(50_000));
    environment
        .s3
        .inject(fault("a.txt", None, Effect::BreakBody(100_000)));
    let why = message(created(&environment, "a.txt").await);
    assert!(why.contains("S3 cannot read `a.txt`"), "{why}");
    assert_held(&environment, json!({"a.txt": "old"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_error_is_overcome_and_a_lasting_one_reported() {
    let environment = environment(&[]).await;
    environment.s3.put("a.txt", "v");
    environment
        .s3
        .inject(fault("a.txt", Some(2), Effect::Fail(503)));
    assert_eq!(
        outcome(&created(&environment, "a.txt").await.unwrap()),
        "synced"
    );
    environment.s3.put("a.txt", "w");
    environment
        .s3
        .inject(fault("a.txt", None, Effect::Fail(500)));
    let why = message(created(&environment, "a.txt").await);
    assert_eq!(
        why,
        "1 of 1 object failed: `a.txt`: S3 cannot read `a.txt`: InternalError: injected by the test"
    );
    assert_held(&environment, json!({"a.txt": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_not_taken_for_deleted() {
    let environment = environment(&[]).await;
    environment.upload("a.txt", "v").await.unwrap();
    for (status, code, expected) in [
        (
            403,
            "AccessDenied",
            "access to `a.txt` is denied (AccessDenied: injected by the test): the function's role needs s3:GetObject on it, s3:ListBucket on the bucket (without it a missing object looks the same), and kms:Decrypt where it is encrypted",
        ),
        (
            403,
            "InvalidObjectState",
            "`a.txt` is archived and must be restored before it can be read",
        ),
    ] {
        environment
            .s3
            .inject(fault("a.txt", Some(1), Effect::FailWith(status, code)));
        let why = message(created(&environment, "a.txt").await);
        assert_eq!(why, format!("1 of 1 object failed: `a.txt`: {expected}"));
        assert_held(&environment, json!({"a.txt": "v"})).await;
    }
    environment.s3.inject(fault(
        "a.txt",
        Some(1),
        Effect::FailWith(404, "NoSuchBucket"),
    ));
    let why = message(created(&environment, "a.txt").await);
    assert!(why.contains("the bucket `config` does not exist"), "{why}");
    assert_held(&environment, json!({"a.txt": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_every_legal_character_are_read_listed_and_removed() {
    let environment = environment(&[]).await;
    let keys = KEYS;
    for key in keys {
        environment.s3.put(key, key);
    }
    // All in one event.
    let events = keys.iter().map(|key| event::created("config", key));
    let together = event::batch(events);
    let report = environment.function.invoke(together).await.unwrap();
    assert_eq!(report["status"], "success", "{report}");
    let expected: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| ((*key).to_owned(), json!(key)))
        .collect();
    assert_held(&environment, expected.clone().into()).await;
    let sync = json!({"sync": {}});
    let report = environment.function.invoke(&sync).await.unwrap();
    assert_eq!(report["counts"]["unchanged"], keys.len(), "{report}");
    // All of it again, from the listing alone.
    environment.redis.command(&["FLUSHALL"]).await.unwrap();
    let report = environment.function.invoke(&sync).await.unwrap();
    assert_eq!(report["counts"]["synced"], keys.len(), "{report}");
    assert_held(&environment, expected.into()).await;
    for key in keys {
        environment.s3.delete(key);
    }
    let report = environment.function.invoke(&sync).await.unwrap();
    assert_eq!(report["counts"]["deleted"], keys.len(), "{report}");
    assert_held(&environment, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_version_does_not_delete_a_living_object() {
    let environment = environment(&[]).await;
    environment.s3.enable_versioning();
    environment.upload("a.txt", "old").await.unwrap();
    let old = environment.s3.get("a.txt").unwrap().version_id.unwrap();
    environment.upload("a.txt", "new").await.unwrap();
    environment.s3.delete_version("a.txt", &old);
    let removed = event::removed("config", "a.txt");
    assert_eq!(
        outcome(&environment.function.invoke(&removed).await.unwrap()),
        "unchanged"
    );
    assert_held(&environment, json!({"a.txt": "new"})).await;

    // A marker hides the object, and its removal shows it again.
    assert_eq!(
        outcome(&environment.remove("a.txt").await.unwrap()),
        "deleted"
    );
    assert_held(&environment, json!({})).await;
    environment.s3.put("a.txt", "newer");
    let newest = environment.s3.get("a.txt").unwrap().version_id.unwrap();
    created(&environment, "a.txt").await.unwrap();
    environment.s3.delete_version("a.txt", &newest);
    assert_eq!(
        outcome(&environment.function.invoke(&removed).await.unwrap()),
        "deleted"
    );
    assert_held(&environment, json!({})).await;
}

/// EventBridge writes keys as they are, and S3 Batch Operations percent-encodes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_the_same_whichever_channel_tells_of_it() {
    let environment = environment(&[]).await;
    for key in KEYS {
        environment.s3.put(key, key);
        let bridge = json!({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": "config"}, "object": {"key": key}},
        });
        let report = environment.function.invoke(bridge).await.unwrap();
        assert_eq!(report["objects"][0]["key"], key);
        assert_eq!(outcome(&report), "synced", "{key}");
        let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let job = json!({
            "invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j"},
            "tasks": [{"taskId": "t", "s3Key": encoded, "s3VersionId": null, "s3Bucket": "config"}],
        });
        let answer = environment.function.invoke(job).await.unwrap();
        assert_eq!(answer["results"][0]["resultString"], "unchanged", "{key}");
    }
    let expected: serde_json::Map<_, _> = KEYS
        .iter()
        .map(|key| ((*key).to_owned(), json!(key)))
        .collect();
    assert_held(&environment, expected.into()).await;
}

/// Its entity tag is no digest of its content: `<digest>-<parts>`. Fails where a record does not have it
/// as it is, or an object that is uploaded again in other parts is not run again.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_uploaded_in_parts_is_known_by_its_entity_tag() {
    let environment = environment(&[]).await;
    environment.s3.enable_versioning();
    for part_bytes in [16, 8] {
        let body = one("k");
        let etag = environment.s3.put_in_parts("flags/a", &body, part_bytes);
        assert!(etag.ends_with(&format!("-{}", body.len().div_ceil(part_bytes))));
        let version = environment.s3.get("flags/a").unwrap().version_id;
        let report = created(&environment, "flags/a").await.unwrap();
        assert_eq!(outcome(&report), "synced", "{etag}");
        let explained = environment.function.invoke(json!({"explain": "k"}));
        let explained = explained.await.unwrap();
        assert_eq!(
            (&explained["etag"], &explained["version_id"]),
            (&json!(etag), &json!(version))
        );
        let report = created(&environment, "flags/a").await.unwrap();
        assert_eq!(outcome(&report), "unchanged", "{etag}");
        // The listing has the same tag: it is not even read.
        environment.s3.reset_counts();
        let report = sync(&environment, json!({})).await;
        assert_eq!(report["counts"]["unchanged"], 1, "{report}");
        assert_eq!(environment.s3.count(Operation::GetObject), 0);
    }
    assert_held(&environment, json!({"k": "v"})).await;
}
