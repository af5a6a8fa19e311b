//! A plugin or the manifest changes, and the objects it affects follow.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, change_plugins, environment, with_queue, work_off};
use crate::objects::one;
use redis_sync_local::{Effect, Environment, Fault, Operation, event};
use redis_sync_tests::compiled;
use redis_sync_tests::held::held;
use serde_json::{Value, json};
use std::time::Duration;

/// Uploads a variant of the scripted guest, which puts `letters` before its keys.
async fn publish(environment: &Environment, name: &str, letters: &str) -> Value {
    environment
        .upload(&format!("plugins/{name}"), compiled::variant(letters))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_replaced_runs_again_on_its_objects_alone() {
    let environment = environment(&[]).await;
    for key in [
        "flags/x.json",
        "flags/y.json",
        "flags",
        "flagship.json",
        "other.json",
    ] {
        environment
            .upload(key, one(&format!("of-{key}")))
            .await
            .unwrap();
    }
    environment.s3.reset_counts();
    let report = publish(&environment, "flags.wasm", "2").await;
    assert_eq!(outcome(&report), "synced");
    assert_eq!(report["objects"][0]["key"], "plugins/flags.wasm");
    let plain = one("of-flagship.json");
    let other = one("of-other.json");
    let expected = json!({
        "2of-flags/x.json": "v", "2of-flags/y.json": "v", "2of-flags": "v",
        "flagship.json": plain, "other.json": other,
    });
    assert_held(&environment, expected).await;
    assert_eq!(
        environment
            .s3
            .count_of(Operation::GetObject, "flagship.json"),
        0
    );
    let again = environment
        .function
        .invoke(event::created("config", "plugins/flags.wasm"))
        .await;
    assert_eq!(outcome(&again.unwrap()), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_removed_plugin_fall_to_the_next_one_or_to_none() {
    let environment = environment(&[]).await;
    publish(&environment, "flags/eu.wasm", "eu").await;
    environment
        .upload("flags/eu/x.json", one("k"))
        .await
        .unwrap();
    assert_held(&environment, json!({"euk": "v"})).await;
    environment.remove("plugins/flags/eu.wasm").await.unwrap();
    assert_held(&environment, json!({"k": "v"})).await;
    environment.remove("plugins/flags.wasm").await.unwrap();
    assert_held(&environment, json!({"flags/eu/x.json": one("k")})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_comes_changes_and_goes_affects_everything() {
    let environment = environment(&[]).await;
    environment.upload("flags/x.json", one("x")).await.unwrap();
    environment
        .upload("plain.json", one("plain"))
        .await
        .unwrap();
    let all = "[[route]]\nprefix = \"\"\nplugin = \"flags.wasm\"\n";
    environment
        .upload("plugins/routes.toml", all)
        .await
        .unwrap();
    assert_held(&environment, json!({"x": "v", "plain": "v"})).await;
    let one_only = "[[route]]\nprefix = \"plain\"\nplugin = \"flags.wasm\"\n";
    environment
        .upload("plugins/routes.toml", one_only)
        .await
        .unwrap();
    assert_held(
        &environment,
        json!({"flags/x.json": one("x"), "plain": "v"}),
    )
    .await;
    let broken = environment.upload("plugins/routes.toml", "nonsense").await;
    let why = message(broken);
    assert!(
        why.contains("`plugins/routes.toml`: of the objects it affects, 2 objects: 2 failed"),
        "{why}"
    );
    assert!(
        why.contains("`flags/x.json`: `routes.toml` is not valid"),
        "{why}"
    );
    assert_held(
        &environment,
        json!({"flags/x.json": one("x"), "plain": "v"}),
    )
    .await;
    environment.remove("plugins/routes.toml").await.unwrap();
    assert_held(&environment, json!({"x": "v", "plain.json": one("plain")})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_manifest_a_plugin_affects_the_routes_that_name_it() {
    let environment = environment(&[]).await;
    let routes = "[[route]]\nprefix = \"a/\"\nplugin = \"shared.wasm\"\n[[route]]\nprefix = \"b/\"\nplugin = \"flags.wasm\"\n[[route]]\nprefix = \"c/\"\nplugin = \"shared.wasm\"\n";
    environment.s3.put("plugins/routes.toml", routes);
    publish(&environment, "shared.wasm", "1").await;
    for key in ["a/k", "b/k", "c/k"] {
        environment.upload(key, one(key)).await.unwrap();
    }
    assert_held(&environment, json!({"1a/k": "v", "b/k": "v", "1c/k": "v"})).await;
    publish(&environment, "shared.wasm", "2").await;
    assert_held(&environment, json!({"2a/k": "v", "b/k": "v", "2c/k": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_fail_with_a_new_plugin_fail_its_event_and_keep_what_they_had() {
    let environment = environment(&[]).await;
    environment.upload("flags/x.json", one("x")).await.unwrap();
    let why = message(environment.upload("plugins/flags.wasm", "no module").await);
    assert!(why.starts_with("1 of 1 object failed: `plugins/flags.wasm`: of the objects it affects, 1 object: 1 failed; `flags/x.json`: plugin `flags.wasm` cannot run on `flags/x.json`"), "{why}");
    assert_held(&environment, json!({"x": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_fails_the_event_and_the_retry_goes_on() {
    let environment = environment(&[]).await;
    for key in ["flags/a.json", "flags/b.json"] {
        environment.upload(key, one(key)).await.unwrap();
    }
    let replaced = compiled::variant("2");
    change_plugins(&environment, "plugins/flags.wasm", Some(&replaced)).await;
    // Compiles the plugin, which would use up the time below.
    environment.upload("flags/c.json", one("c")).await.unwrap();
    let changed = event::created("config", "plugins/flags.wasm");
    let parked = environment.s3.park(Operation::GetObject, "flags/b.json");
    // Shorter than S3's answer is waited for: the second attempt would not be parked.
    let limit = Duration::from_secs(3);
    let why = message(environment.function.invoke_within(&changed, limit).await);
    assert!(why.contains("call again for the rest"), "{why}");
    drop(parked);
    environment.s3.reset_counts();
    environment.function.invoke(&changed).await.unwrap();
    let expected = json!({"2flags/a.json": "v", "2flags/b.json": "v", "2c": "v"});
    assert_held(&environment, expected).await;
    assert_eq!(
        environment
            .s3
            .count_of(Operation::GetObject, "flags/a.json"),
        0
    );
}

/// Not even which objects there are is known in time: then none of them has followed.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_gets_to_no_object_in_time_leaves_all_of_them() {
    let environment = environment(&[]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    environment.s3.inject(Fault {
        operation: Operation::ListObjectsV2,
        key: Some("flags/".to_owned()),
        times: None,
        effect: Effect::Delay(Duration::from_secs(120)),
    });
    let (changed, limit) = (
        event::created("config", "plugins/flags.wasm"),
        Duration::from_secs(3),
    );
    let why = message(environment.function.invoke_within(&changed, limit).await);
    assert!(why.contains("about 1 are left"), "{why}");
    environment.s3.clear_faults();
    environment.function.invoke(&changed).await.unwrap();
    let noted = ["EXISTS", "redis-sync:progress:config"];
    assert_eq!(environment.redis.command(&noted).await.unwrap(), "0");
}

/// Objects of the fan-out. `FAN_OUT_OBJECTS` asks for more, to measure.
fn many() -> usize {
    let number = std::env::var("FAN_OUT_OBJECTS").ok();
    number.map_or(300, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures of a measurement")]
async fn with_a_queue_several_functions_share_the_work() {
    let ((queue, environment), number) = (with_queue().await, many());
    for object in 0..number {
        environment
            .s3
            .put(&format!("flags/{object}.json"), one(&object.to_string()));
    }
    let started = std::time::Instant::now();
    let changed = event::created("config", "plugins/flags.wasm");
    let report = environment.function.invoke(changed).await.unwrap();
    assert_eq!(outcome(&report), "synced");
    assert_held(&environment, json!({})).await;
    // 25 keys a message, of each page of 1000.
    assert_eq!(queue.sent(), u64::try_from(number.div_ceil(25)).unwrap());
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(environment.another_function().await.unwrap());
    }
    tokio::join!(
        work_off(&environment.function, &queue),
        work_off(&others[0], &queue),
        work_off(&others[1], &queue),
        work_off(&others[2], &queue),
    );
    println!("{number} objects on 4 functions: {:.1?}", started.elapsed());
    let expected: serde_json::Map<_, _> = (0..number)
        .map(|object| (object.to_string(), json!("v")))
        .collect();
    assert_eq!(held(&environment.redis).await, Value::from(expected));
}

/// Whoever may send to the queue could otherwise have the function invoke itself for ever.
#[tokio::test(flavor = "multi_thread")]
async fn no_work_makes_more_work() {
    let (queue, environment) = with_queue().await;
    environment.s3.put("flags/a.json", one("a"));
    let keys = [
        "plugins/flags.wasm",
        "plugins/routes.toml",
        "compiled/x",
        "flags/a.json",
    ];
    queue.send(json!({"bucket": "config", "keys": keys}).to_string());
    work_off(&environment.function, &queue).await;
    assert_eq!(queue.sent(), 1, "nothing but what the test has sent");
    assert_held(&environment, json!({"a": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_fails_the_event() {
    let environment = environment(&[
        ("SYNC_QUEUE_URL", "http://127.0.0.1:1/0/sync"),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1"),
    ])
    .await;
    environment.upload("flags/x.json", one("x")).await.unwrap();
    let why = message(
        environment
            .upload("plugins/flags.wasm", compiled::variant("2"))
            .await,
    );
    assert!(
        why.contains("SQS cannot send to http://127.0.0.1:1/0/sync"),
        "{why}"
    );
    assert_held(&environment, json!({"x": "v"})).await;
    // The event comes again, whatever is noted of it.
    let noted = ["EXISTS", "redis-sync:progress:config"];
    assert_eq!(environment.redis.command(&noted).await.unwrap(), "0");
}
