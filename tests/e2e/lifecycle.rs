//! Put, overwrite, delete.

use crate::answers::outcome;
use crate::environment::{assert_held, environment, upload_all};
use crate::objects::yields;
use redis_sync_local::event;
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, nhs};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_put_overwritten_and_deleted() {
    let environment = environment(&[]).await;
    let two = yields(&json!({"a": {"bytes": "1"}, "b": {"hash": {"f": "v"}}}));
    assert_eq!(
        outcome(&environment.upload("flags/x.json", two).await.unwrap()),
        "synced"
    );
    assert_held(&environment, json!({"a": "1", "b": {"f": "v"}})).await;

    // Fewer entries, and one of another type: what is stale is gone.
    let fewer = yields(&json!({"b": {"list": ["x", "y"]}}));
    assert_eq!(
        outcome(&environment.upload("flags/x.json", fewer).await.unwrap()),
        "synced"
    );
    assert_held(&environment, json!({"b": ["x", "y"]})).await;

    assert_eq!(
        outcome(&environment.remove("flags/x.json").await.unwrap()),
        "deleted"
    );
    assert_held(&environment, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_config_files_give_the_six_expected_hashes() {
    let environment = environment(&[]).await;
    for file in &nhs::CONFIG_FILES {
        environment.s3.put(
            &format!("plugins/{}.wasm", file.key),
            guest::module(file.guest),
        );
    }
    let objects = nhs::CONFIG_FILES.map(|file| (file.key, file.body.to_owned()));
    let report = upload_all(&environment, &objects).await.unwrap();
    assert_eq!(report["status"], "success", "{report}");
    assert_eq!(
        nhs::parsed(&held(&environment.redis).await),
        nhs::expected()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_value_is_stored_with_its_time_to_live() {
    let environment = environment(&[]).await;
    let object = yields(&json!({
        "bytes": {"bytes": "text"}, "hash": {"hash": {"f": "v"}}, "list": {"list": ["b", "a", "b"]},
        "set": {"set": ["x", "y"]}, "scores": {"sorted_set": [["m", 1.5], ["n", -2.0]]},
        "empty": {"list": []}, "brief": {"expiring": ["soon", 100]},
    }));
    let report = environment.upload("flags/all.json", object).await.unwrap();
    assert_eq!(report["objects"][0]["entries"], 6, "{report}");
    assert_held(
        &environment,
        json!({
            "bytes": "text", "hash": {"f": "v"}, "list": ["b", "a", "b"], "set": {"set": ["x", "y"]},
            "scores": {"scores": {"m": 1.5, "n": -2.0}}, "brief": "soon",
        }),
    )
    .await;
    let ttl: u64 = environment
        .redis
        .command(&["TTL", "brief"])
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=100).contains(&ttl), "{ttl}");
    assert_eq!(
        environment.redis.command(&["TTL", "bytes"]).await.unwrap(),
        "-1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deletion_of_an_object_never_seen_is_fine() {
    let environment = environment(&[]).await;
    let report = environment.remove("flags/never.json").await.unwrap();
    assert_eq!(report["status"], "success");
    assert_eq!(outcome(&report), "deleted");
    assert_held(&environment, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_one_event_are_all_carried_out() {
    let environment = environment(&[]).await;
    environment
        .upload("flags/old.json", yields(&json!({"old": {"bytes": "1"}})))
        .await
        .unwrap();
    environment.s3.delete("flags/old.json");
    environment
        .s3
        .put("flags/a.json", yields(&json!({"a": {"bytes": "1"}})));
    environment
        .s3
        .put("flags/b.json", yields(&json!({"b": {"bytes": "2"}})));
    let bucket = environment.s3.bucket();
    let events = [
        event::created(bucket, "flags/a.json"),
        event::removed(bucket, "flags/old.json"),
        event::created(bucket, "flags/b.json"),
    ];
    let report = environment
        .function
        .invoke(event::batch(events))
        .await
        .unwrap();
    let outcomes: Vec<_> = report["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (&object["key"], &object["outcome"]))
        .collect();
    assert_eq!(
        json!(outcomes),
        json!([
            ["flags/a.json", "synced"],
            ["flags/old.json", "deleted"],
            ["flags/b.json", "synced"]
        ])
    );
    assert_held(&environment, json!({"a": "1", "b": "2"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_key_is_decoded() {
    let environment = environment(&[]).await;
    environment.s3.put("a b/cé.json", "spaced");
    environment.s3.put("a+b/cé.json", "plus");
    for encoded in ["a+b%2Fc%C3%A9.json", "a%2Bb/c%C3%A9.json"] {
        let mut event = event::created(environment.s3.bucket(), "");
        event["Records"][0]["s3"]["object"]["key"] = json!(encoded);
        environment.function.invoke(event).await.unwrap();
    }
    assert_held(
        &environment,
        json!({"a b/cé.json": "spaced", "a+b/cé.json": "plus"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_again_unchanged_is_not_written_again() {
    let environment = environment(&[]).await;
    let object = yields(&json!({"k": {"bytes": "v"}}));
    environment.upload("flags/x.json", &object).await.unwrap();
    let event = event::created(environment.s3.bucket(), "flags/x.json");
    let again = environment.function.invoke(&event).await.unwrap();
    assert_eq!(outcome(&again), "unchanged");
    assert_eq!(again["objects"][0]["fuel"], json!(null));
    assert_eq!(again["objects"][0]["entries"], 1);

    // The same bytes at another time run, since a plugin can see the time, but write nothing.
    environment
        .redis
        .command(&["CONFIG", "RESETSTAT"])
        .await
        .unwrap();
    assert_eq!(
        outcome(&environment.upload("flags/x.json", &object).await.unwrap()),
        "unchanged"
    );
    let statistics = environment
        .redis
        .command(&["INFO", "commandstats"])
        .await
        .unwrap();
    assert!(!statistics.contains("cmdstat_set:"), "{statistics}");
    assert_held(&environment, json!({"k": "v"})).await;

    // Whatever happened to the key in Redis, it is there again.
    environment.redis.command(&["DEL", "k"]).await.unwrap();
    assert_eq!(
        outcome(&environment.function.invoke(&event).await.unwrap()),
        "synced"
    );
    assert_held(&environment, json!({"k": "v"})).await;
}
