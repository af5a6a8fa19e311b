//! G5: no two objects write one Redis key.

use crate::answers::outcome;
use crate::environment::{assert_held, calls_of, environment, sync, upload};
use crate::objects::{texts, yields};
use redis_sync_local::{BUCKET, Environment, Operation, event};
use redis_sync_tests::connection::connect;
use redis_sync_tests::held::held;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_key_is_refused_and_its_owner_named_until_that_is_deleted() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "a")]).await;
    let second = texts(&[("k", "b"), ("other", "b")]);
    let error = environment.upload("flags/b", &second).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("`k` belongs to the object `flags/a`"),
        "{message}"
    );
    assert_eq!(held(&environment.redis).await, json!({"k": "a"}));

    environment.remove("flags/a").await.unwrap();
    environment.upload("flags/b", &second).await.unwrap();
    assert_eq!(
        held(&environment.redis).await,
        json!({"k": "b", "other": "b"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_claimant_is_named_to_the_owner_that_claims_the_key_too() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "a")]).await;
    upload(&environment, "flags/b", &[("l", "b")]).await;
    // Both claim what the other has, and keep what they have.
    environment
        .s3
        .put("flags/a", texts(&[("k", "a"), ("l", "a")]));
    environment
        .s3
        .put("flags/b", texts(&[("k", "b"), ("l", "b")]));
    for (claimant, owner) in [("flags/a", "flags/b"), ("flags/b", "flags/a")] {
        let error = environment
            .function
            .invoke(event::created(BUCKET, claimant))
            .await;
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains(&format!("belongs to the object `{owner}`")),
            "{message}"
        );
    }
    assert_eq!(held(&environment.redis).await, json!({"k": "a", "l": "b"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_works_in_either_order_of_its_events() {
    let environment = environment(&[]).await;
    let (s3, function) = (&environment.s3, &environment.function);
    let mut old = String::from("flags/0");
    upload(&environment, &old, &[("k", "0")]).await;
    for (round, new_first) in [(1, true), (2, false)] {
        let new = format!("flags/{round}");
        let value = round.to_string();
        s3.put(&new, texts(&[("k", &value)]));
        s3.delete(&old);
        let mut events = [event::removed(BUCKET, &old), event::created(BUCKET, &new)];
        if new_first {
            events.reverse();
        }
        for event in events {
            function.invoke(event).await.unwrap();
            // The key is never missing once the new object is known.
            if new_first {
                assert_eq!(held(&environment.redis).await, json!({"k": value}));
            }
        }
        assert_eq!(held(&environment.redis).await, json!({"k": value}));
        old = new;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_swap_their_keys() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "a")]).await;
    upload(&environment, "flags/b", &[("l", "b")]).await;
    environment.s3.put("flags/a", texts(&[("l", "a")]));
    environment.s3.put("flags/b", texts(&[("k", "b")]));
    let report = environment
        .function
        .invoke(event::created(BUCKET, "flags/a"))
        .await;
    assert_eq!(outcome(&report.unwrap()), "synced");
    assert_eq!(held(&environment.redis).await, json!({"k": "b", "l": "a"}));
}

/// Each takes over the key of the next, the last that of the first: whoever's event comes first has all
/// of them committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_circle_of_forty_objects_moves_on_by_one() {
    let environment = environment(&[]).await;
    let name = |number: usize| format!("flags/{:02}", number % 40);
    let key = |number: usize| format!("k{:02}", number % 40);
    let put = |moved: usize| {
        for number in 0..40 {
            let body = texts(&[(&key(number + moved), &name(number))]);
            environment.s3.put(&name(number), body);
        }
    };
    put(0);
    let all = (0..40).map(|number| event::created(BUCKET, &name(number)));
    environment
        .function
        .invoke(event::batch(all))
        .await
        .unwrap();
    put(1);
    let resetting = ["CONFIG", "RESETSTAT"];
    environment.redis.command(&resetting).await.unwrap();
    let first = environment
        .function
        .invoke(event::created(BUCKET, &name(7)));
    assert_eq!(outcome(&first.await.unwrap()), "synced");
    // A ticket each, and few commits.
    let calls = script_calls(&environment).await;
    assert!(calls < 50, "{calls}");
    let expected: serde_json::Map<_, _> = (0..40)
        .map(|number| (key(number + 1), json!(name(number))))
        .collect();
    assert_eq!(
        held(&environment.redis).await,
        serde_json::Value::Object(expected)
    );
}

/// However many objects have given up the keys that one yields now, they are not found one commit at a time.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_takes_over_the_keys_of_hundreds_that_are_gone() {
    let environment = environment(&[]).await;
    let keys: Vec<String> = (0..150).map(|number| format!("k{number:03}")).collect();
    for key in &keys {
        environment
            .s3
            .put(&format!("flags/{key}"), texts(&[(key, "old")]));
    }
    sync(&environment, json!({})).await;
    assert_eq!(
        held(&environment.redis).await.as_object().unwrap().len(),
        150
    );
    for key in &keys {
        environment.s3.delete(&format!("flags/{key}"));
    }
    let resetting = ["CONFIG", "RESETSTAT"];
    environment.redis.command(&resetting).await.unwrap();
    let entries: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "new")).collect();
    upload(&environment, "flags/all", &entries).await;
    let calls = script_calls(&environment).await;
    assert!(calls < 170, "{calls}");
    let expected: serde_json::Map<_, _> =
        keys.iter().map(|key| (key.clone(), json!("new"))).collect();
    assert_held(&environment, serde_json::Value::Object(expected)).await;
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "1 object: 1 unchanged");
}

/// Whoever claims what many objects have is refused at the first that keeps it: the others are not worked on.
#[tokio::test(flavor = "multi_thread")]
async fn a_claimant_of_many_keys_is_refused_at_the_first_that_is_not_given_up() {
    let environment = environment(&[]).await;
    let keys: Vec<String> = (0..60).map(|number| format!("k{number:02}")).collect();
    for key in &keys {
        environment
            .s3
            .put(&format!("flags/{key}"), texts(&[(key, "theirs")]));
    }
    sync(&environment, json!({})).await;
    environment.s3.reset_counts();
    let entries: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "mine")).collect();
    let error = environment
        .upload("flags/all", texts(&entries))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("belongs to the object `flags/k"));
    // The claimant itself, and one owner.
    let reads = environment.s3.count(Operation::GetObject);
    assert!(reads <= 4, "{reads}");
    let report = sync(&environment, json!({"prefix": "flags/k"})).await;
    assert_eq!(report["message"], "60 objects: 60 unchanged");
}

/// How often scripts were called since the statistics were reset.
async fn script_calls(environment: &Environment) -> u64 {
    let calls = calls_of(&environment.redis, "evalsha").await;
    assert_ne!(calls, 0);
    calls
}

/// The owner's keys have expired, so that it cannot be kept as it is: that must not hide the conflict.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_an_owner_whose_keys_expired_is_named() {
    let environment = environment(&[]).await;
    let expiring = yields(&json!({"k": {"expiring": ["a", 3600]}, "l": {"expiring": ["a", 3600]}}));
    environment.upload("flags/a", expiring).await.unwrap();
    environment.redis.command(&["DEL", "l"]).await.unwrap();
    let error = environment
        .upload("flags/b", texts(&[("k", "b")]))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("belongs to the object `flags/a`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_others_are_adopted_unless_that_is_forbidden() {
    let adopting = environment(&[]).await;
    adopting
        .redis
        .command(&["HSET", "k", "f", "live"])
        .await
        .unwrap();
    upload(&adopting, "flags/a", &[("k", "a")]).await;
    assert_eq!(held(&adopting.redis).await, json!({"k": "a"}));

    let strict = environment(&[("ADOPT_KEYS", "false")]).await;
    strict.redis.command(&["SET", "k", "live"]).await.unwrap();
    let object = texts(&[("k", "a"), ("l", "a")]);
    let error = strict.upload("flags/a", &object).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`k` was not written by Redis Sync"),
        "{error}"
    );
    assert_eq!(held(&strict.redis).await, json!({"k": "live"}));
    strict.redis.command(&["DEL", "k"]).await.unwrap();
    strict.upload("flags/a", &object).await.unwrap();
    // Its own keys are not foreign ones, also where the owners were lost.
    strict
        .redis
        .command(&["DEL", "redis-sync:owners"])
        .await
        .unwrap();
    upload(&strict, "flags/a", &[("k", "b"), ("l", "b")]).await;
    assert_eq!(held(&strict.redis).await, json!({"k": "b", "l": "b"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_bounds_the_keys_and_none_is_ever_bookkeeping() {
    let environment = environment(&[]).await;
    let routes = "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\nkeys = [\"flags:*\", \"redis-sync:*\"]\n";
    environment.s3.put("plugins/routes.toml", routes);
    upload(&environment, "flags/a", &[("flags:a", "1")]).await;
    for (key, why) in [
        ("other", "does not let it write the key `other`"),
        ("redis-sync:owners", "reserved for bookkeeping"),
    ] {
        let error = environment
            .upload("flags/a", texts(&[(key, "2")]))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(held(&environment.redis).await, json!({"flags:a": "1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_its_type() {
    let environment = environment(&[]).await;
    let values = [
        (json!({"hash": {"f": "v"}}), json!({"f": "v"})),
        (json!({"bytes": "v"}), json!("v")),
        (json!({"list": ["b", "a", "b"]}), json!(["b", "a", "b"])),
        (json!({"set": ["b", "a"]}), json!({"set": ["a", "b"]})),
        (
            json!({"sorted_set": [["m", 1.5]]}),
            json!({"scores": {"m": 1.5}}),
        ),
        (json!({"hash": {"g": "w"}}), json!({"g": "w"})),
    ];
    for (value, expected) in values {
        environment
            .upload("flags/a", yields(&json!({"k": value})))
            .await
            .unwrap();
        assert_eq!(held(&environment.redis).await, json!({"k": expected}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_keys_are_published_after_their_commit() {
    let environment = environment(&[("CHANGES_CHANNEL", "changes")]).await;
    let client = redis::Client::open(environment.redis.url()).unwrap();
    let (mut sink, mut messages) = client.get_async_pubsub().await.unwrap().split();
    sink.subscribe("changes").await.unwrap();
    let mut link = connect(&environment.redis).await;
    let entries: [(&str, &[(&str, &str)]); 2] =
        [("1", &[("k", "1"), ("l", "1")]), ("2", &[("l", "2")])];
    for (state, entries) in entries {
        let told = async {
            let mut published = Vec::new();
            for _ in 0..2 {
                let message = futures::StreamExt::next(&mut messages);
                let message =
                    tokio::time::timeout(std::time::Duration::from_secs(10), message).await;
                published.push(message.unwrap().unwrap().get_payload::<String>().unwrap());
                let held: String = redis::cmd("GET")
                    .arg("l")
                    .query_async(&mut link)
                    .await
                    .unwrap();
                assert_eq!(held, state);
            }
            published
        };
        let (_, published) = tokio::join!(upload(&environment, "flags/a", entries), told);
        assert_eq!(published, ["k", "l"]);
    }
}
