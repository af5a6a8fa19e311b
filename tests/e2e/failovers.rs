//! A primary of a cluster fails before its replica has got the last writes: what it had a moment ago is
//! the truth of its hash slots, while the other shards are further on. The smallest histories of that.

use crate::mirror::Mirror;
use redis_sync_local::{Redis, RedisCluster};
use redis_sync_tests::snapshot::Snapshot;
use redis_sync_tests::target::Target;
use redis_sync_tests::turnstile::Turnstile;
use serde_json::json;

const OBJECT: &str = "flags/a";

fn cluster(mirror: &Mirror) -> &RedisCluster {
    let Target::Cluster(cluster) = &mirror.target else {
        panic!("the target is a cluster");
    };
    cluster
}

/// The node that has a key that matches, with that key.
async fn node_with<'a>(mirror: &'a Mirror, pattern: &str) -> (&'a Redis, String) {
    for node in cluster(mirror).primaries() {
        let found = node.command(&["KEYS", pattern]).await.unwrap();
        if let Some(key) = found.lines().next() {
            return (node, key.to_owned());
        }
    }
    panic!("no node has {pattern}");
}

async fn home(mirror: &Mirror) -> (&Redis, String) {
    node_with(mirror, &format!("redis-sync:*:object:config/{OBJECT}")).await
}

async fn sync(mirror: &Mirror) {
    let report = mirror.function.invoke(json!({"sync": {}})).await.unwrap();
    assert_eq!(report["status"], "success", "{report}");
}

/// The object yields nothing, then a key in another shard; the shard of its record loses the second
/// commit; the object is what it was at first, and stays so. The key was written under a *later* ticket
/// than the record's. Fails where only keys of earlier tickets are taken for orphans.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_commit_that_a_failover_has_undone_is_removed() {
    let mut mirror = Mirror::of(Target::cluster().await).await;
    mirror.put(OBJECT, &[], "first");
    mirror.deliver_as(OBJECT, "synced").await;
    let port = home(&mirror).await.0.port();
    let before = Snapshot::of(home(&mirror).await.0).await;
    let mut elsewhere = None;
    for key in ["a", "b", "c", "d", "e", "f"] {
        let slot = node_of(&mirror, key).await;
        if slot != port {
            elsewhere = Some(key);
            break;
        }
    }
    let key = elsewhere.expect("six keys are not all in one shard");
    mirror.put(OBJECT, &[key], "second");
    mirror.deliver_as(OBJECT, "synced").await;
    before.restore(home(&mirror).await.0).await;
    mirror.put(OBJECT, &[], "first");
    mirror.deliver_as(OBJECT, "unchanged").await;
    sync(&mirror).await;
    mirror.assert_equal("a failover, and a sync").await;
}

/// The port of the node that takes a key.
async fn node_of(mirror: &Mirror, key: &str) -> u16 {
    for node in cluster(mirror).primaries() {
        if node.command(&["GET", key]).await.is_ok() {
            return node.port();
        }
    }
    panic!("no node takes `{key}`");
}

/// A worker has announced its commit under a ticket of a primary whose clock was ahead; the primary
/// fails, and what took its place knows nothing of that; then the worker ends its commit. Later changes
/// have smaller tickets for an hour, and must not be taken for superseded. Fails where `finish.lua`
/// commits a ticket that was not issued and `ticket.lua` does not hand out one that is larger than what
/// was committed.
#[tokio::test(flavor = "multi_thread")]
async fn changes_after_a_failover_are_not_swallowed_though_the_clock_is_behind() {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    let mut mirror = Mirror::of(Target::cluster().await).await;
    mirror.put(OBJECT, &KEYS, "before");
    mirror.deliver_as(OBJECT, "synced").await;
    let turnstile = Turnstile::before(cluster(&mirror)).await.unwrap();
    // Held up at each step: before the announcement, in the midst of the hash slots, before the end.
    for scripts in 4.. {
        let (node, record) = home(&mirror).await;
        let before = Snapshot::of(node).await;
        let ahead = "9000000000000000";
        node.command(&["HSET", &record, "issued", ahead])
            .await
            .unwrap();
        mirror.put(OBJECT, &KEYS[1..], "lost");
        turnstile.let_through(scripts);
        let function = mirror.function_through(turnstile.port()).await;
        let mut delivery = Mirror::begin(&function, OBJECT);
        let is_held = tokio::select! {
            () = turnstile.holds_one() => true,
            _ = &mut delivery => false,
        };
        before.restore(home(&mirror).await.0).await;
        turnstile.open();
        if is_held {
            let _ = delivery.await.unwrap();
        }
        mirror.put(OBJECT, &KEYS, "last");
        let outcome = mirror.deliver(OBJECT).await.unwrap();
        assert_ne!(outcome, "superseded", "a failover after {scripts} scripts");
        sync(&mirror).await;
        mirror
            .assert_equal(&format!("a failover after {scripts} scripts"))
            .await;
        if !is_held {
            // A ticket, two checks, the announcement, three hash slots and the end.
            assert!(scripts >= 8, "only {scripts} scripts");
            return;
        }
    }
}
