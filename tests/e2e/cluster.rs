//! A cluster of three primaries with replicas: atomic in each hash slot, converging always.

use crate::environment::variables;
use crate::objects::{many, texts, yields};
use futures::future::join_all;
use redis_sync_local::{BUCKET, Function, Redis, RedisCluster, RedisOptions, S3};
use redis_sync_tests::guest;
use redis_sync_tests::held::held_by_cluster;
use redis_sync_tests::host::Host;
use redis_sync_tests::program::bootstrap;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A bucket, a cluster, and a host between them.
async fn start(options: &RedisOptions) -> (S3, RedisCluster, Host) {
    let s3 = S3::start(BUCKET).await.unwrap();
    let cluster = RedisCluster::start_with(options).await.unwrap();
    guest::upload(&s3);
    let host = Host::start(&s3, &variables_of(&s3, &cluster));
    (s3, cluster, host)
}

fn variables_of(s3: &S3, cluster: &RedisCluster) -> Vec<(String, String)> {
    let mut variables = variables(s3, &cluster.servers()[0]);
    variables.push(("REDIS_CLUSTER".into(), "true".into()));
    variables
}

/// Delivers until it succeeds, as a queue does.
async fn redeliver(host: &Host, key: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(why) = host.deliver_one(key).await {
        assert!(Instant::now() < deadline, "{why}");
    }
}

fn expected(count: usize, value: &str) -> Value {
    let entries = (0..count).map(|number| (format!("k:{number}"), json!(value)));
    Value::Object(entries.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_over_all_slots_are_written_replaced_and_removed() {
    let (s3, cluster, host) = start(&RedisOptions::default()).await;
    for (count, value) in [(600, "1"), (600, "2"), (40, "2")] {
        s3.put("flags/a", many("k", count, value));
        host.deliver_one("flags/a").await.unwrap();
        assert_eq!(held_by_cluster(&cluster).await, expected(count, value));
    }
    s3.delete("flags/a");
    host.deliver_one("flags/a").await.unwrap();
    assert_eq!(held_by_cluster(&cluster).await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn ownership_and_large_values_are_as_on_one_server() {
    let (s3, cluster, host) = start(&RedisOptions::default()).await;
    let fields: serde_json::Map<_, _> = (0..3000).map(|n| (format!("f{n}"), json!("v"))).collect();
    s3.put(
        "flags/a",
        yields(&json!({"k": {"hash": fields}, "l": {"bytes": "a"}})),
    );
    host.deliver_one("flags/a").await.unwrap();
    s3.put("flags/b", texts(&[("k", "b"), ("m", "b")]));
    let why = host.deliver_one("flags/b").await.unwrap_err();
    assert!(why.contains("`k` belongs to the object `flags/a`"), "{why}");
    assert_eq!(
        held_by_cluster(&cluster).await,
        json!({"k": fields, "l": "a"})
    );
    // They swap, one event each.
    s3.put("flags/a", texts(&[("m", "a")]));
    s3.put("flags/b", texts(&[("k", "b"), ("l", "b")]));
    host.deliver_one("flags/b").await.unwrap();
    host.deliver_one("flags/a").await.unwrap();
    assert_eq!(
        held_by_cluster(&cluster).await,
        json!({"k": "b", "l": "b", "m": "a"})
    );
}

/// Objects of a ring take over each other's keys, and an event of each comes at the same moment: every worker
/// commits all four, and is overtaken by the others, but none so often that it gives up.
#[tokio::test(flavor = "multi_thread")]
async fn rings_of_objects_that_are_all_worked_on_at_once_end() {
    let (s3, cluster, host) = start(&RedisOptions::default()).await;
    let place = |ring: usize, place: usize| format!("{ring}-{}", place % 4);
    let everywhere = || (0..10).flat_map(|ring| (0..4).map(move |at| (ring, at)));
    for turn in 0..4 {
        let holds = everywhere().map(|(ring, at)| {
            let (object, key) = (place(ring, at), place(ring, at + turn));
            s3.put(&format!("flags/{object}"), texts(&[(&key, &object)]));
            (key, json!(object))
        });
        let expected = Value::Object(holds.collect());
        let workers = everywhere().map(|(ring, at)| {
            let (host, object) = (host.clone(), format!("flags/{}", place(ring, at)));
            async move { host.deliver_one(&object).await }
        });
        let ended: Vec<_> = join_all(workers).await;
        let failed: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
        assert_eq!(failed, Vec::<String>::new(), "turn {turn}");
        assert_eq!(held_by_cluster(&cluster).await, expected, "turn {turn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_loses_nothing() {
    let (s3, cluster, host) = start(&RedisOptions::default()).await;
    s3.put("flags/a", many("{tag}k", 20, "1"));
    host.deliver_one("flags/a").await.unwrap();
    let (from, to) = owner_of(&cluster, "{tag}").await;
    let slot = from
        .command(&["CLUSTER", "KEYSLOT", "{tag}"])
        .await
        .unwrap();
    let (from_id, to_id) = (id(from).await, id(to).await);
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])
        .await
        .unwrap();
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])
        .await
        .unwrap();
    let port = to.port().to_string();
    let mut half_way = false;
    loop {
        let keys = from
            .command(&["CLUSTER", "GETKEYSINSLOT", &slot, "5"])
            .await
            .unwrap();
        if keys.is_empty() {
            break;
        }
        for key in keys.lines() {
            from.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])
                .await
                .unwrap();
        }
        if !std::mem::replace(&mut half_way, true) {
            // Its keys are on two nodes: a script that needs them all cannot run, and changes nothing.
            s3.put("flags/a", many("{tag}k", 20, "2"));
            let limit = Duration::from_secs(2);
            let failed = host.deliver(vec!["flags/a".into()], limit).await;
            assert_eq!(failed.len(), 1);
        }
    }
    for node in cluster.primaries() {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])
            .await
            .unwrap();
    }
    redeliver(&host, "flags/a").await;
    let held = held_by_cluster(&cluster).await;
    let held = held.as_object().unwrap();
    assert!(
        held.len() == 20 && held.values().all(|value| value == "2"),
        "{held:?}"
    );
}

async fn id(node: &Redis) -> String {
    node.command(&["CLUSTER", "MYID"]).await.unwrap()
}

/// The primary that has a key's slot, and another one.
async fn owner_of<'a>(cluster: &'a RedisCluster, key: &str) -> (&'a Redis, &'a Redis) {
    let [a, b, c] = cluster.primaries() else {
        panic!("a cluster has three primaries");
    };
    for (node, other) in [(a, b), (b, c), (c, a)] {
        if node.command(&["EXISTS", key]).await.is_ok() {
            return (node, other);
        }
    }
    panic!("no primary has the slot of {key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_survived() {
    let (s3, cluster, host) = start(&RedisOptions::default()).await;
    s3.put("flags/a", many("k", 200, "1"));
    host.deliver_one("flags/a").await.unwrap();
    for node in cluster.primaries() {
        node.command(&["WAIT", "1", "10000"]).await.unwrap();
    }
    cluster.primaries()[1].kill().await;
    s3.put("flags/a", many("k", 100, "2"));
    redeliver(&host, "flags/a").await;
    cluster.primaries()[1].restart().await.unwrap();
    assert_eq!(held_by_cluster(&cluster).await, expected(100, "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_speaks_tls() {
    let options = RedisOptions {
        tls: true,
        ..RedisOptions::default()
    };
    let (s3, cluster, host) = start(&options).await;
    s3.put("flags/a", texts(&[("k", "1")]));
    host.deliver_one("flags/a").await.unwrap();
    let (owner, _) = owner_of(&cluster, "k").await;
    assert_eq!(owner.command(&["GET", "k"]).await.unwrap(), "1");
}

/// The walks of `sync` and `status` go over 16 indexes and the owners of every hash slot.
#[tokio::test(flavor = "multi_thread")]
async fn operators_see_a_cluster_as_one_server() {
    let s3 = S3::start(BUCKET).await.unwrap();
    let cluster = RedisCluster::start().await.unwrap();
    guest::upload(&s3);
    let variables = variables_of(&s3, &cluster);
    let function = Function::start(bootstrap(), variables).await.unwrap();
    let call = async |operation| function.invoke(&operation).await.unwrap();
    let sync = json!({"sync": {"prefix": "flags/"}});

    let object = |number: usize| format!("flags/{number:02}");
    for number in 0..40 {
        let redis_key = format!("k{number}");
        s3.put(
            &object(number),
            texts(&[(redis_key.as_str(), "1"), ("x", "1")][..1 + number / 39]),
        );
    }
    let preview = call(json!({"sync": {"dry_run": true}})).await;
    assert_eq!(preview["message"], "40 objects: 40 synced");
    assert_eq!(held_by_cluster(&cluster).await, json!({}));
    for message in ["40 objects: 40 synced", "40 objects: 40 unchanged"] {
        assert_eq!(call(sync.clone()).await["message"], message);
    }

    // Deleted, changed, broken; and what Redis itself has lost of two more.
    s3.delete(&object(0));
    s3.put(&object(1), texts(&[("k1", "2")]));
    s3.put(&object(2), "nonsense");
    s3.delete(&object(3));
    s3.put(&object(39), texts(&[("k39", "2")]));
    for name in bookkeeping(&cluster, "index").await {
        command(&cluster, &["ZREM", &name, &object(3)]).await;
    }
    for name in bookkeeping(&cluster, "object").await {
        if name.ends_with(&object(39)) {
            command(&cluster, &["DEL", &name]).await;
        }
    }
    let after = "40 objects: 2 synced, 35 unchanged, 2 deleted, 1 failed; 1 stray key";
    assert_eq!(call(sync.clone()).await["message"], after);
    let expected = (1..40).filter(|number| *number != 3).map(|number| {
        let value = if [1, 39].contains(&number) { "2" } else { "1" };
        (format!("k{number}"), json!(value))
    });
    assert_eq!(
        held_by_cluster(&cluster).await,
        Value::Object(expected.collect())
    );
    let again = "38 objects: 37 unchanged, 1 failed";
    assert_eq!(call(sync).await["message"], again);
    let status = call(json!({"status": {}})).await;
    assert_eq!(
        (&status["objects"], &status["failed"]),
        (&json!(38), &json!(1))
    );
    assert_eq!(status["failures"][0]["key"], "flags/02");
    assert_eq!(call(json!({"read": "k1"})).await, "2");
    assert_eq!(
        call(json!({"explain": "k1"})).await["object"],
        "config/flags/01"
    );
}

/// The names of all bookkeeping of a kind.
async fn bookkeeping(cluster: &RedisCluster, kind: &str) -> Vec<String> {
    let mut names = Vec::new();
    for node in cluster.primaries() {
        let pattern = format!("redis-sync:*:{kind}:*");
        let found = node.command(&["KEYS", &pattern]).await.unwrap();
        names.extend(found.lines().map(str::to_owned));
    }
    names
}

/// Has the node that has the key carry out a command.
async fn command(cluster: &RedisCluster, command: &[&str]) {
    let (node, _) = owner_of(cluster, command[1]).await;
    node.command(command).await.unwrap();
}

/// What an object has in a hash slot is recorded there as well; the next commit goes by that.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_hash_slot_has_forgotten_of_an_object_is_recorded_again_by_the_next_sync() {
    let (s3, cluster, host) = start(&RedisOptions::default()).await;
    s3.put("flags/a", texts(&[("k", "1"), ("l", "1")]));
    host.deliver_one("flags/a").await.unwrap();
    for node in cluster.primaries() {
        let parts = node.command(&["KEYS", "redis-sync:*part:*"]).await.unwrap();
        for part in parts.lines() {
            node.command(&["DEL", part]).await.unwrap();
        }
    }
    host.full_sync().await.unwrap();
    s3.put("flags/a", texts(&[("m", "2")]));
    host.deliver_one("flags/a").await.unwrap();
    assert_eq!(held_by_cluster(&cluster).await, json!({"m": "2"}));
}
