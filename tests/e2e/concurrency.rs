//! Several invocations in one function at a time, as Lambda Managed Instances deliver them.

use crate::answers::outcome;
use crate::environment::{assert_held, environment};
use crate::objects::one;
use redis_sync_local::{Operation, event};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_does_not_wait_for_another_one() {
    let environment = environment(&[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]).await;
    environment.s3.put("flags/slow.json", one("slow"));
    let parked = environment.s3.park(Operation::GetObject, "flags/slow.json");
    let slow = event::created("config", "flags/slow.json");
    let quick = async {
        parked.reached().await;
        // The same plugin, the same connection, and the answer goes to whom it is for.
        let report = environment.upload("flags/quick.json", one("quick")).await;
        assert_eq!(report.unwrap()["objects"][0]["key"], "flags/quick.json");
        assert_held(&environment, json!({"quick": "v"})).await;
        parked.release();
    };
    let (slow, ()) = tokio::join!(environment.function.invoke(slow), quick);
    let slow = slow.unwrap();
    assert_eq!(outcome(&slow), "synced");
    assert_eq!(slow["objects"][0]["key"], "flags/slow.json");
    assert_held(&environment, json!({"slow": "v", "quick": "v"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_invocations_on_one_object_end_with_its_last_state() {
    let environment = environment(&[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]).await;
    environment.s3.put("flags/a.json", one("old"));
    let parked = environment
        .s3
        .park_answer(Operation::GetObject, "flags/a.json");
    let newer = async {
        parked.reached().await;
        let report = environment.upload("flags/a.json", one("new")).await;
        assert_eq!(outcome(&report.unwrap()), "synced");
        parked.release();
    };
    let event = event::created("config", "flags/a.json");
    let (late, ()) = tokio::join!(environment.function.invoke(event), newer);
    assert_eq!(outcome(&late.unwrap()), "superseded");
    assert_held(&environment, json!({"new": "v"})).await;
}
