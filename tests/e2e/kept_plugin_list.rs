//! The plugin list is kept from one event to the next, as long as nobody has handled a change of a
//! plugin. None of it may be seen in Redis.

use crate::answers::outcome;
use crate::environment::{assert_held, environment, sync, upload, variables};
use crate::objects::{one, texts};
use redis_sync_local::{BUCKET, Environment, Function, Operation, S3, event};
use redis_sync_tests::host::{Host, LIMIT};
use redis_sync_tests::target::Target;
use redis_sync_tests::turnstile::Turnstile;
use redis_sync_tests::{compiled, guest, program};
use serde_json::json;
use std::sync::Arc;

const PLUGIN: &str = "plugins/flags.wasm";

/// A function that keeps the list in which the guest takes `flags/`.
async fn keeping() -> Environment {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("a", "1")]).await;
    environment
}

/// Another function on the same bucket and Redis.
async fn another(environment: &Environment) -> Arc<Function> {
    let variables = variables(&environment.s3, &environment.redis);
    let function = Function::start(program::bootstrap(), variables).await;
    Arc::new(function.unwrap())
}

/// The guest is replaced by a variant; nobody is told.
fn replace(s3: &S3, letters: &str) {
    s3.put(PLUGIN, compiled::variant(letters));
}

async fn deliver(function: &Function, key: &str) {
    let report = function.invoke(event::created(BUCKET, key)).await.unwrap();
    assert_eq!(report["status"], "success", "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_event_is_one_request_to_s3() {
    let environment = keeping().await;
    environment.s3.reset_counts();
    upload(&environment, "flags/a", &[("a", "2")]).await;
    upload(&environment, "flags/b", &[("b", "1")]).await;
    let requests = [Operation::GetObject, Operation::ListObjectsV2]
        .map(|operation| environment.s3.count(operation));
    assert_eq!(requests, [2, 0]);
    assert_held(&environment, json!({"a": "2", "b": "1"})).await;
}

/// Fails where whoever handles a plugin's event raises the generation after its tickets: it then syncs
/// the objects with the list that it has kept itself.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_handles_a_plugins_event_does_not_use_its_own_kept_list() {
    let environment = keeping().await;
    environment
        .upload(PLUGIN, compiled::variant("A"))
        .await
        .unwrap();
    assert_held(&environment, json!({"Aa": "1"})).await;
}

/// Fails where nobody raises the generation.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugins_event_that_another_function_has_handled_is_known_to_all() {
    let environment = keeping().await;
    let other = another(&environment).await;
    replace(&environment.s3, "A");
    deliver(&other, PLUGIN).await;
    upload(&environment, "flags/b", &[("b", "1")]).await;
    assert_held(&environment, json!({"Aa": "1", "Ab": "1"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sync_has_all_read_the_list_again() {
    let environment = keeping().await;
    let other = another(&environment).await;
    deliver(&other, "flags/a").await;
    replace(&environment.s3, "A");
    sync(&environment, json!({})).await;
    assert_held(&environment, json!({"Aa": "1"})).await;
    environment.s3.put("flags/b", one("b"));
    deliver(&other, "flags/b").await;
    assert_held(&environment, json!({"Aa": "1", "Ab": "v"})).await;
}

/// Fails where a list is kept for the generation that is seen after it was read: a plugin's event that
/// was handled in between is missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_kept_for_the_generation_before_it_was_read() {
    let environment = keeping().await;
    let late = another(&environment).await;
    // Compiling it takes longer than a request may be held up.
    let replaced = compiled::variant("A");
    let parked = environment
        .s3
        .park_answer(Operation::ListObjectsV2, "plugins/");
    let event = event::created(BUCKET, "flags/a");
    let worker = Arc::clone(&late);
    let delivery = tokio::spawn(async move { worker.invoke(event).await });
    parked.reached().await;
    environment.upload(PLUGIN, replaced).await.unwrap();
    parked.release();
    let report = delivery.await.unwrap().unwrap();
    // Where its answer was parked for longer than a request takes, it has asked again.
    assert!(["superseded", "unchanged"].contains(&outcome(&report)));
    environment.s3.put("flags/b", one("b"));
    deliver(&late, "flags/b").await;
    assert_held(&environment, json!({"Aa": "1", "Ab": "v"})).await;
}

/// Fails where an object that no kept route takes is stored as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_uploaded_a_moment_ago_takes_its_objects() {
    let environment = keeping().await;
    environment
        .s3
        .put("plugins/new.wasm", compiled::variant("N"));
    upload(&environment, "new/x", &[("x", "1")]).await;
    assert_held(&environment, json!({"a": "1", "Nx": "1"})).await;
}

/// Fails where an object that fails on a kept list is not tried on the list of now.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_mended_a_moment_ago_takes_its_objects() {
    let environment = environment(&[]).await;
    environment.s3.put("bad/x", texts(&[("x", "1")]));
    for _ in 0..2 {
        let broken = environment.upload("plugins/bad.wasm", b"no module").await;
        assert!(broken.is_err(), "{broken:?}");
    }
    environment
        .s3
        .put("plugins/bad.wasm", compiled::variant("N"));
    upload(&environment, "bad/x", &[("x", "2")]).await;
    assert_held(&environment, json!({"Nx": "2"})).await;
    environment.s3.reset_counts();
    let failed = environment
        .upload("bad/x", crate::objects::failing())
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("bad.wasm"), "{failed}");
    assert_eq!(environment.s3.count(Operation::ListObjectsV2), 1);
}

/// Fails where a cluster's generation is read before the tickets are taken: what is raised in between
/// is missed, and the ticket comes after those of whoever raised it.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_the_generation_is_seen_after_the_ticket() {
    the_plugin_changes_after_a_call(&Target::cluster().await, &["flags/b"]).await;
}

/// Fails where objects of one event are evaluated with a list that is kept for the generation of the
/// first of them: the plugin was changed in between, and the last tickets come after those of whoever
/// has handled that.
#[tokio::test(flavor = "multi_thread")]
async fn all_tickets_of_an_event_are_of_the_generation_that_a_list_is_kept_for() {
    the_plugin_changes_after_a_call(&Target::server().await, &["flags/a", "flags/b"]).await;
}

/// A host that keeps the list gets an event of these objects. When it has been answered its first
/// call, of a ticket, and before the next one, the plugin is changed, and another host handles that.
async fn the_plugin_changes_after_a_call(target: &Target, objects: &[&str]) {
    let s3 = S3::start(BUCKET).await.unwrap();
    guest::upload(&s3);
    let mut variables = target.variables(&s3);
    variables.push(compiled::variable());
    // It has its connections before the turnstile is there.
    let direct = Host::start(&s3, &variables);
    s3.put("flags/a", one("a"));
    direct.deliver_one("flags/a").await.unwrap();
    let turnstile = match target {
        Target::Server(redis) => Turnstile::before_each(std::slice::from_ref(redis)).await,
        Target::Cluster(cluster) => Turnstile::before(cluster).await,
    };
    let turnstile = turnstile.unwrap();
    variables.push(("REDIS_PORT".to_owned(), turnstile.port().to_string()));
    let late = Host::start(&s3, &variables);
    late.deliver_one("flags/a").await.unwrap();

    // Compiling it takes longer than a call may be held up.
    let replaced = compiled::variant("A");
    s3.put("flags/b", one("b"));
    turnstile.let_through(1);
    let (worker, event) = (late.clone(), objects.iter().map(|key| (*key).to_owned()));
    let event = event.collect();
    let delivery = tokio::spawn(async move { worker.deliver(event, LIMIT).await });
    turnstile.holds_one().await;
    s3.put(PLUGIN, replaced);
    direct.deliver_one(PLUGIN).await.unwrap();
    turnstile.open();
    assert_eq!(delivery.await.unwrap(), []);
    assert_eq!(target.held().await, json!({"Aa": "v", "Ab": "v"}));
}
