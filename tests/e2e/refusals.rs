//! Which failures a repetition may mend, as S3 Batch Operations is told of them, and what is not
//! taken for a deletion.

use crate::answers::message;
use crate::environment::{assert_held, environment, sync};
use crate::objects::one;
use redis_sync_local::{Effect, Environment, Fault, Operation, event};
use serde_json::{Value, json};

/// The result of a batch task for one object: its code and its text.
async fn batch_result(environment: &Environment, key: &str) -> (String, String) {
    let job = json!({
        "invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j"},
        "tasks": [{"taskId": "t", "s3Key": key, "s3VersionId": null, "s3Bucket": "config"}],
    });
    let answer = environment.function.invoke(job).await.unwrap();
    let text = |name: &str| -> String {
        let value: &Value = &answer["results"][0][name];
        value.as_str().unwrap_or_default().to_owned()
    };
    (text("resultCode"), text("resultString"))
}

fn inject(environment: &Environment, operation: Operation, key: &str, effect: Effect) {
    environment.s3.inject(Fault {
        operation,
        key: Some(key.to_owned()),
        times: None,
        effect,
    });
}

/// Fails where any 404 but that of a missing bucket counts as a deletion.
#[tokio::test(flavor = "multi_thread")]
async fn only_s3s_own_word_that_there_is_no_such_object_is_a_deletion() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("k")).await.unwrap();
    for code in ["NotFound", "NoSuchVersion", "NoSuchAccessPoint", ""] {
        inject(
            &environment,
            Operation::GetObject,
            "flags/a",
            Effect::FailWith(404, code),
        );
        let (result, why) = batch_result(&environment, "flags/a").await;
        assert_eq!(result, "TemporaryFailure", "{code}: {why}");
        assert_held(&environment, json!({"k": "v"})).await;
        environment.s3.clear_faults();
    }
    inject(
        &environment,
        Operation::GetObject,
        "flags/a",
        Effect::FailWith(404, "NoSuchKey"),
    );
    let (result, text) = batch_result(&environment, "flags/a").await;
    assert_eq!((result.as_str(), text.as_str()), ("Succeeded", "deleted"));
    assert_held(&environment, json!({})).await;
}

/// Fails where what S3 refuses for good is reported as temporary.
#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_is_denied_or_of_no_bucket_is_no_temporary_failure() {
    let environment = environment(&[]).await;
    for (status, code, expected) in [
        (
            403,
            "AccessDenied",
            "its role needs s3:ListBucket on the bucket",
        ),
        (404, "NoSuchBucket", "the bucket `config` does not exist"),
    ] {
        let effect = Effect::FailWith(status, code);
        inject(&environment, Operation::ListObjectsV2, "plugins/", effect);
        let (result, why) = batch_result(&environment, "flags/a").await;
        assert_eq!(result, "PermanentFailure", "{why}");
        assert!(why.contains(expected), "{why}");
        environment.s3.clear_faults();
    }
    inject(
        &environment,
        Operation::ListObjectsV2,
        "plugins/",
        Effect::Fail(503),
    );
    let (result, why) = batch_result(&environment, "flags/a").await;
    assert_eq!(result, "TemporaryFailure", "{why}");
}

/// Fails where the owner's own failure is dropped, and the conflict reported as permanent.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_an_owner_that_cannot_be_read_is_temporary_and_says_why() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("k")).await.unwrap();
    environment.s3.put("flags/a", one("other"));
    environment.s3.put("flags/b", one("k"));
    inject(
        &environment,
        Operation::GetObject,
        "flags/a",
        Effect::Fail(503),
    );
    let (result, why) = batch_result(&environment, "flags/b").await;
    assert_eq!(result, "TemporaryFailure", "{why}");
    assert!(
        why.starts_with("the Redis key `k` belongs to the object `flags/a`, which could not be brought up to date: S3 cannot read `flags/a`"),
        "{why}"
    );
    assert_held(&environment, json!({"k": "v"})).await;
    environment.s3.clear_faults();
    let (result, _) = batch_result(&environment, "flags/b").await;
    assert_eq!(result, "Succeeded");
    assert_held(&environment, json!({"k": "v", "other": "v"})).await;
}

/// What S3 refuses in an object's own nature, in S3's words, by what an operator can do about it.
#[tokio::test(flavor = "multi_thread")]
async fn what_s3_refuses_is_told_by_its_kind_and_is_no_temporary_failure() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("k")).await.unwrap();
    for (status, code, words, expected) in [
        (
            400,
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
            "is encrypted with a key that its writer keeps (SSE-C)",
        ),
        (
            403,
            "AccessDenied",
            "User: arn:aws:sts::1:assumed-role/f is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext",
            "cannot be decrypted (AccessDenied: User: arn:aws:sts::1:assumed-role/f is not authorized to perform: kms:Decrypt",
        ),
        (
            400,
            "KMS.DisabledException",
            "arn:aws:kms:eu-west-2:1:key/k is disabled.",
            "that key must be enabled",
        ),
        (
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            "is archived and must be restored",
        ),
        // A bucket whose requester pays says no more than this.
        (
            403,
            "AccessDenied",
            "Access Denied",
            "access to `flags/a` is denied",
        ),
        (
            400,
            "AuthorizationHeaderMalformed",
            "the region 'eu-west-2' is wrong; expecting 'eu-west-1'",
            "the bucket `config` is in another region than AWS_REGION says",
        ),
    ] {
        let effect = Effect::FailSaying(status, code, words);
        inject(&environment, Operation::GetObject, "flags/a", effect);
        let (result, why) = batch_result(&environment, "flags/a").await;
        assert_eq!(result, "PermanentFailure", "{why}");
        assert!(why.contains(expected), "{why}");
        environment.s3.clear_faults();
        assert_held(&environment, json!({"k": "v"})).await;
    }
    environment
        .function
        .wait_for_log("\"FailedAccess\":1")
        .await
        .unwrap();
}

/// The largest object that S3 takes in one request. Of its body nothing ever comes: whoever asked for
/// some would wait for it. Fails where the announced size is not looked at.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_five_gigabytes_is_refused_by_its_size_alone() {
    const SIZE: u64 = 5 << 30;
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("k")).await.unwrap();
    environment.s3.put("flags/a", "the first of many bytes");
    let effect = Effect::Announce(SIZE);
    inject(&environment, Operation::GetObject, "flags/a", effect);
    environment.s3.reset_counts();
    let expected = format!("`flags/a` has {SIZE} bytes, more than MAX_OBJECT_BYTES=33554432");
    let mut created = event::created("config", "flags/a");
    created["Records"][0]["s3"]["object"]["size"] = json!(SIZE);
    let why = message(environment.function.invoke(created).await);
    assert_eq!(why, format!("1 of 1 object failed: `flags/a`: {expected}"));
    let (result, why) = batch_result(&environment, "flags/a").await;
    assert_eq!((&*result, why), ("PermanentFailure", expected.clone()));
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["failed"][0]["error"], expected, "{report}");
    // Once each: nothing about it changes by asking again.
    let reads = environment.s3.count_of(Operation::GetObject, "flags/a");
    assert_eq!(reads, 3);
    assert_held(&environment, json!({"k": "v"})).await;
}
