//! What Redis Sync keeps for itself is exactly what the bucket means, after whatever has happened.

use crate::answers::message;
use crate::mirror::Mirror;
use redis_sync_local::{BUCKET, event};
use redis_sync_tests::target::Target;
use serde_json::json;

const X: &str = "flags/x";
const Y: &str = "flags/y";

/// Fails where owners of keys that are removed are left in place (`remove_old` in `commit_write.lua`),
/// a record or its part on a cluster lists other keys or stays for ever, an object that is gone stays
/// in the index, or a large value that was sent before its commit is left behind.
async fn play(target: Target) {
    let mut mirror = Mirror::of(target).await;
    mirror.assert_equal("nothing has happened").await;
    sets_that_change(&mut mirror).await;
    keys_that_change_hands(&mut mirror).await;
    objects_that_fail(&mut mirror).await;
    everything_goes(&mut mirror).await;
}

async fn sets_that_change(mirror: &mut Mirror) {
    let sets: [(&str, &[&str]); 7] = [
        ("a first put", &["a", "b", "c", "d"]),
        ("a set that shrinks", &["b"]),
        ("a set that grows", &["a", "b", "c"]),
        ("other keys", &["c", "e"]),
        ("no keys at all", &[]),
        ("keys again", &["a", "b"]),
        ("the same keys", &["a", "b"]),
    ];
    for (what, keys) in sets {
        mirror.put(X, keys, what);
        mirror.deliver_as(X, "synced").await;
        mirror.assert_equal(what).await;
    }
    mirror.deliver_as(X, "unchanged").await;
    mirror.assert_equal("the event comes again").await;
    // Stored as it is, since no plugin takes it.
    mirror.s3.put("other", "text");
    mirror
        .function
        .invoke(event::created(BUCKET, "other"))
        .await
        .unwrap();
    mirror.s3.delete("other");
    mirror.deliver_as("other", "deleted").await;
    mirror
        .assert_equal("an object without a plugin comes and goes")
        .await;
    let long = "0123456789".repeat(50_000);
    mirror.put(Y, &["large", "larger"], &long);
    mirror.deliver_as(Y, "synced").await;
    mirror
        .assert_equal("large values, which are sent before the commit")
        .await;
    mirror.put(Y, &["larger", "y"], "small");
    mirror.deliver_as(Y, "synced").await;
    mirror.assert_equal("small values instead").await;
}

async fn keys_that_change_hands(mirror: &mut Mirror) {
    for (what, events) in [
        ("renamed, its new name first", ["flags/new", "flags/old"]),
        ("renamed, its old name first", ["flags/old", "flags/new"]),
    ] {
        mirror.put("flags/old", &["r", "s", "t"], what);
        mirror.deliver_as("flags/old", "synced").await;
        mirror.delete("flags/old");
        mirror.put("flags/new", &["r", "s", "u"], what);
        for object in events {
            mirror.deliver(object).await.unwrap();
        }
        mirror.assert_equal(what).await;
        mirror.delete("flags/new");
        mirror.deliver_as("flags/new", "deleted").await;
    }
    mirror.put(X, &["a", "b"], "x");
    mirror.put(Y, &["c", "d"], "y");
    for object in [X, Y] {
        mirror.deliver_as(object, "synced").await;
    }
    mirror.put(X, &["c", "b"], "x again");
    mirror.put(Y, &["a", "d"], "y again");
    mirror.deliver_as(Y, "synced").await;
    mirror
        .assert_equal("two objects swap keys in one commit")
        .await;
    mirror.deliver_as(X, "unchanged").await;
    mirror.assert_equal("the event of the other one").await;
    mirror.put(X, &["b"], "x gives");
    mirror.put(Y, &["a", "c", "d"], "y takes");
    mirror.deliver_as(Y, "synced").await;
    mirror.deliver_as(X, "unchanged").await;
    mirror
        .assert_equal("a key that goes from one object to another")
        .await;
}

async fn objects_that_fail(mirror: &mut Mirror) {
    let claimed = mirror.s3.get(Y).unwrap();
    mirror.s3.put(
        Y,
        r#"{"do": "yield", "entries": {"b": {"bytes": "claimed"}, "z": {"bytes": "new"}}}"#,
    );
    let why = mirror.deliver(Y).await.unwrap_err();
    assert!(why.contains("`b` belongs to the object `flags/x`"), "{why}");
    mirror.s3.put(Y, claimed.body);
    mirror.deliver_as(Y, "unchanged").await;
    // A ticket was taken for the owner of the key, which is committed when its own event comes.
    mirror.deliver_as(X, "unchanged").await;
    mirror
        .assert_equal("a claim to another one's key, and back")
        .await;
    mirror.s3.put("flags/bad", "nonsense");
    let answer = mirror
        .function
        .invoke(event::created(BUCKET, "flags/bad"))
        .await;
    assert!(message(answer).contains("flags/bad"));
    mirror.delete("flags/bad");
    mirror.deliver_as("flags/bad", "deleted").await;
    mirror.assert_equal("an object that failed is gone").await;
}

async fn everything_goes(mirror: &mut Mirror) {
    mirror.delete(Y);
    mirror.deliver_as(Y, "deleted").await;
    mirror.assert_equal("deleted").await;
    mirror.deliver_as(Y, "deleted").await;
    mirror.assert_equal("the deletion comes again").await;
    mirror.put(Y, &["a", "z"], "back");
    mirror.deliver_as(Y, "synced").await;
    mirror.assert_equal("deleted and put again").await;
    mirror.delete(X);
    mirror.delete(Y);
    mirror.function.invoke(json!({"sync": {}})).await.unwrap();
    mirror
        .assert_equal("a full sync finds the bucket empty")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bookkeeping_is_what_the_bucket_means() {
    play(Target::server().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bookkeeping_of_a_cluster_is_what_the_bucket_means() {
    play(Target::cluster().await).await;
}
