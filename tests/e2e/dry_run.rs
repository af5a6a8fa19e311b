//! A dry run writes nothing, anywhere.

use crate::answers::{counted, counts};
use crate::environment::{environment, sync};
use crate::objects::one;
use crate::sync::change_unseen;
use redis_sync_local::{Operation, Redis};
use redis_sync_tests::connection::connect;
use redis_sync_tests::guest;
use serde_json::json;
use std::collections::BTreeMap;

/// All that Redis holds, bookkeeping too, as it would be dumped.
pub(crate) async fn everything(redis: &Redis) -> BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut link = connect(redis).await;
    let command = |name: &str, key: &str| redis::cmd(name).arg(key).to_owned();
    let keys: Vec<String> = command("KEYS", "*").query_async(&mut link).await.unwrap();
    let mut all = BTreeMap::new();
    for key in keys {
        let kind: String = command("TYPE", &key).query_async(&mut link).await.unwrap();
        // A hash is dumped in the order of its table, which Redis changes as it likes.
        let content = if kind == "hash" {
            let fields = command("HGETALL", &key).query_async(&mut link).await;
            fields.unwrap()
        } else {
            let dump = command("DUMP", &key).query_async(&mut link).await.unwrap();
            BTreeMap::from([(Vec::new(), dump)])
        };
        all.insert(key, content);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_change_and_writes_nothing() {
    let environment = environment(&[]).await;
    change_unseen(&environment).await;
    environment.s3.put("flags/bad.json", "broken");
    let before = everything(&environment.redis).await;
    let report = sync(&environment, json!({"dry_run": true})).await;
    assert_eq!(report["dry_run"], true);
    let expected = counted([
        ("synced", 2),
        ("unchanged", 1),
        ("deleted", 1),
        ("failed", 1),
    ]);
    assert_eq!(counts(&report), expected);
    assert_eq!(report["failed"][0]["key"], "flags/bad.json");
    assert_eq!(everything(&environment.redis).await, before);
    assert_eq!(environment.s3.count(Operation::PutObject), 0);
    assert_eq!(counts(&sync(&environment, json!({})).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_keeps_no_machine_code() {
    let environment =
        environment(&[("COMPILED_CACHE_KEY", "0123456789abcdef0123456789abcdef")]).await;
    // The folder of machine code has this variant not.
    let module = guest::scripted_variant("dry");
    environment.s3.put("plugins/flags.wasm", module);
    environment.s3.put("flags/a.json", one("a"));
    let bucket = environment.s3.keys();
    for force in [false, true] {
        let report = sync(&environment, json!({"dry_run": true, "force": force})).await;
        assert_eq!(counts(&report), counted([("synced", 1)]));
    }
    assert_eq!(environment.s3.keys(), bucket);
    assert_eq!(everything(&environment.redis).await, BTreeMap::new());
    // Another function, which has nothing in memory, keeps it.
    let other = environment.another_function().await.unwrap();
    other.invoke(json!({"sync": {}})).await.unwrap();
    let kept = environment.s3.keys();
    assert_eq!(kept.len(), bucket.len() + 1);

    // Nor where all is up to date, for which its module is loaded as well.
    let artifact = kept.iter().find(|key| !bucket.contains(key)).unwrap();
    environment.s3.delete(artifact);
    let third = environment.another_function().await.unwrap();
    for (dry_run, keys) in [(true, &bucket), (false, &kept)] {
        let payload = json!({"sync": {"dry_run": dry_run}});
        let report = third.invoke(payload).await.unwrap();
        assert_eq!(counts(&report), counted([("unchanged", 1)]));
        assert_eq!(&environment.s3.keys(), keys, "{dry_run}");
    }
}
