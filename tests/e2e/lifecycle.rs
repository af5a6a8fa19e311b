//! Put, overwrite, delete.

use crate::world::{assert_held, outcome, upload_all, world, yields};
use redis_sync_local::event;
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, nhs};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_put_overwritten_and_deleted() {
    let world = world().await;
    let two = yields(json!({"a": {"bytes": "1"}, "b": {"hash": {"f": "v"}}}));
    assert_eq!(
        outcome(&world.upload("flags/x.json", two).await.unwrap()),
        "synced"
    );
    assert_held(&world, json!({"a": "1", "b": {"f": "v"}})).await;

    // Fewer entries, and one of another type: what is stale is gone.
    let fewer = yields(json!({"b": {"list": ["x", "y"]}}));
    assert_eq!(
        outcome(&world.upload("flags/x.json", fewer).await.unwrap()),
        "synced"
    );
    assert_held(&world, json!({"b": ["x", "y"]})).await;

    assert_eq!(
        outcome(&world.remove("flags/x.json").await.unwrap()),
        "deleted"
    );
    assert_held(&world, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_config_files_give_the_six_expected_hashes() {
    let world = world().await;
    for file in &nhs::CONFIG_FILES {
        world.s3.put(
            &format!("plugins/{}.wasm", file.key),
            guest::module(file.guest),
        );
    }
    let objects = nhs::CONFIG_FILES.map(|file| (file.key, file.body.to_owned()));
    let report = upload_all(&world, &objects).await.unwrap();
    assert_eq!(report["status"], "success", "{report}");
    assert_eq!(nhs::parsed(&held(&world.redis).await), nhs::expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_value_is_stored_with_its_time_to_live() {
    let world = world().await;
    let object = yields(json!({
        "bytes": {"bytes": "text"}, "hash": {"hash": {"f": "v"}}, "list": {"list": ["b", "a", "b"]},
        "set": {"set": ["x", "y"]}, "scores": {"sorted_set": [["m", 1.5], ["n", -2.0]]},
        "empty": {"list": []}, "brief": {"expiring": ["soon", 100]},
    }));
    let report = world.upload("flags/all.json", object).await.unwrap();
    assert_eq!(report["objects"][0]["entries"], 6, "{report}");
    assert_held(
        &world,
        json!({
            "bytes": "text", "hash": {"f": "v"}, "list": ["b", "a", "b"], "set": {"set": ["x", "y"]},
            "scores": {"scores": {"m": 1.5, "n": -2.0}}, "brief": "soon",
        }),
    )
    .await;
    let ttl: u64 = world
        .redis
        .command(&["TTL", "brief"])
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=100).contains(&ttl), "{ttl}");
    assert_eq!(world.redis.command(&["TTL", "bytes"]).await.unwrap(), "-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deletion_of_an_object_never_seen_is_fine() {
    let world = world().await;
    let report = world.remove("flags/never.json").await.unwrap();
    assert_eq!(report["status"], "success");
    assert_eq!(outcome(&report), "deleted");
    assert_held(&world, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_one_event_are_all_carried_out() {
    let world = world().await;
    world
        .upload("flags/old.json", yields(json!({"old": {"bytes": "1"}})))
        .await
        .unwrap();
    world.s3.delete("flags/old.json");
    world
        .s3
        .put("flags/a.json", yields(json!({"a": {"bytes": "1"}})));
    world
        .s3
        .put("flags/b.json", yields(json!({"b": {"bytes": "2"}})));
    let bucket = world.s3.bucket();
    let events = [
        event::created(bucket, "flags/a.json"),
        event::removed(bucket, "flags/old.json"),
        event::created(bucket, "flags/b.json"),
    ];
    let report = world.function.invoke(event::batch(events)).await.unwrap();
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
    assert_held(&world, json!({"a": "1", "b": "2"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_key_is_decoded() {
    let world = world().await;
    world.s3.put("a b/cé.json", "spaced");
    world.s3.put("a+b/cé.json", "plus");
    for encoded in ["a+b%2Fc%C3%A9.json", "a%2Bb/c%C3%A9.json"] {
        let mut event = event::created(world.s3.bucket(), "");
        event["Records"][0]["s3"]["object"]["key"] = json!(encoded);
        world.function.invoke(event).await.unwrap();
    }
    assert_held(
        &world,
        json!({"a b/cé.json": "spaced", "a+b/cé.json": "plus"}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_again_unchanged_is_not_written_again() {
    let world = world().await;
    let object = yields(json!({"k": {"bytes": "v"}}));
    world.upload("flags/x.json", &object).await.unwrap();
    let event = event::created(world.s3.bucket(), "flags/x.json");
    let again = world.function.invoke(&event).await.unwrap();
    assert_eq!(outcome(&again), "unchanged");
    assert_eq!(again["objects"][0]["fuel"], json!(null));
    assert_eq!(again["objects"][0]["entries"], 1);

    // The same bytes at another time run, since a plugin can see the time, but write nothing.
    world.redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    assert_eq!(
        outcome(&world.upload("flags/x.json", &object).await.unwrap()),
        "unchanged"
    );
    let statistics = world
        .redis
        .command(&["INFO", "commandstats"])
        .await
        .unwrap();
    assert!(!statistics.contains("cmdstat_set:"), "{statistics}");
    assert_held(&world, json!({"k": "v"})).await;

    // Whatever happened to the key in Redis, it is there again.
    world.redis.command(&["DEL", "k"]).await.unwrap();
    assert_eq!(
        outcome(&world.function.invoke(&event).await.unwrap()),
        "synced"
    );
    assert_held(&world, json!({"k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_bucket_is_refused_by_name() {
    let world = world().await;
    let answer = world
        .function
        .invoke(event::created("elsewhere", "flags/x.json"))
        .await;
    let message = crate::world::message(answer);
    assert!(
        message.contains("`elsewhere`") && message.contains("serves `config`"),
        "{message}"
    );
}
