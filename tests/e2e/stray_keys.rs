//! The search for Redis keys that no object yields, where there are more of them than fit into an invocation.

use crate::environment::{assert_held, calls_of, environment, sync, upload, with_queue, work_off};
use crate::objects::texts;
use crate::out_of_time::{is_stuck, within};
use redis_sync_local::{BUCKET, Environment, event};
use serde_json::{Value, json};

/// How often Redis was asked for some of the keys that have owners.
async fn scans(environment: &Environment) -> u64 {
    calls_of(&environment.redis, "hscan").await
}

/// The Redis key, which is an object's as well, that the last step of a scan comes to.
async fn last_of_scan(environment: &Environment) -> String {
    let (mut cursor, mut last) = (String::from("0"), String::new());
    loop {
        let scan = ["HSCAN", "redis-sync:owners", &cursor, "COUNT", "1000"];
        let step = environment.redis.command(&scan).await.unwrap();
        let mut lines = step.lines();
        cursor = lines.next().unwrap().to_owned();
        last = lines.next().map_or(last, str::to_owned);
        if cursor == "0" {
            return last;
        }
    }
}

/// A sync that is out of time when the search comes to its last step: the object that holds it up, and its report.
async fn held_up(environment: &Environment) -> (String, Value) {
    let lost = last_of_scan(environment).await;
    environment.s3.delete(&lost);
    let lose = ["ZREM", "redis-sync:index:config", &lost];
    assert_eq!(environment.redis.command(&lose).await.unwrap(), "1");
    is_stuck(environment, &lost);
    let report = within(environment, json!({}), 5).await.unwrap();
    let said = report["message"].as_str().unwrap();
    assert!(said.contains("while looking for stray keys"), "{said}");
    (lost, report)
}

/// What holds the search up is an object that is gone, of which nothing but its key tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_stray_keys_that_is_out_of_time_goes_on_where_it_was() {
    let environment = environment(&[]).await;
    for number in 0..2500 {
        environment.s3.put(&format!("a/{number:04}"), "v");
    }
    sync(&environment, json!({})).await;
    let whole = scans(&environment).await;
    assert!(whole > 2, "{whole}");
    for is_told in [true, false] {
        let (lost, report) = held_up(&environment).await;
        // Another one that begins at the front and does not come so far is none of its business.
        environment.s3.put("A/stuck", "v");
        is_stuck(&environment, "A/stuck");
        within(&environment, json!({}), 5).await.unwrap();
        environment.s3.clear_faults();
        let mut rest = json!({"after": report["next"]});
        if is_told {
            rest["chain"] = report["chain"].clone();
        }
        let before = scans(&environment).await;
        let report = sync(&environment, rest).await;
        assert_eq!(report["message"], "1 object: 1 deleted");
        let made = scans(&environment).await - before;
        if is_told {
            assert_eq!(made, 1);
        } else {
            assert!(made > 1, "{made} of {whole}");
        }
        let exists = ["EXISTS", &lost];
        assert_eq!(environment.redis.command(&exists).await.unwrap(), "0");
    }
    // One that begins at the front and comes to its end has searched all of them.
    held_up(&environment).await;
    environment.s3.clear_faults();
    sync(&environment, json!({})).await;
    let exists = ["EXISTS", "redis-sync:progress:config"];
    assert_eq!(environment.redis.command(&exists).await.unwrap(), "0");
}

/// Nor does it begin at the front where no object tells how far it is: neither under the prefix nor in the bucket is
/// there any.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_stray_keys_goes_on_where_there_is_no_object() {
    let environment = environment(&[]).await;
    for number in 0..1100 {
        environment.s3.put(&format!("a/{number:04}"), "v");
    }
    sync(&environment, json!({})).await;
    let lost = last_of_scan(&environment).await;
    let others = (0..1100).map(|number| format!("a/{number:04}"));
    for prefix in [lost.as_str(), ""] {
        if prefix.is_empty() {
            environment.s3.put(&lost, "v");
            let uploaded = event::created(BUCKET, &lost);
            environment.function.invoke(uploaded).await.unwrap();
            others.clone().for_each(|key| environment.s3.delete(&key));
        }
        environment.s3.delete(&lost);
        let lose = ["DEL", "redis-sync:index:config"];
        environment.redis.command(&lose).await.unwrap();
        is_stuck(&environment, &lost);
        let report = within(&environment, json!({"prefix": prefix}), 12).await;
        let report = report.unwrap();
        let next = report["next"].as_str().unwrap_or_default();
        assert!(!next.is_empty() && next.starts_with(prefix), "{report}");
        assert_eq!(report["got_on"], true, "{report}");
        environment.s3.clear_faults();
        let before = scans(&environment).await;
        let rest = json!({"prefix": prefix, "after": next, "chain": report["chain"]});
        let report = sync(&environment, rest).await;
        assert_eq!(report["counts"]["deleted"], 1, "{report}");
        assert_eq!(scans(&environment).await - before, 1, "{prefix}");
    }
}

/// What is left to the queue has no record before that is worked off, and is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn stray_keys_of_what_is_left_to_the_queue_are_found_by_the_same_sync() {
    let (queue, environment) = with_queue().await;
    upload(&environment, "flags/a", &[("k", "v"), ("l", "v")]).await;
    environment.s3.put("flags/a", texts(&[("l", "w")]));
    let lose = ["DEL", "redis-sync:object:config/flags/a"];
    environment.redis.command(&lose).await.unwrap();
    // One that goes on has all done by others.
    let report = sync(&environment, json!({"after": "A"})).await;
    assert_eq!(
        (&report["queued"], &report["stray_keys"]),
        (&json!(1), &json!(1))
    );
    work_off(&environment.function, &queue).await;
    assert_held(&environment, json!({"l": "w"})).await;
}
