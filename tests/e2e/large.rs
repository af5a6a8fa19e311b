//! More objects than fit into a page of a listing, or into one function. `make large` measures many.

use crate::answers::{counted, counts};
use crate::environment::environment;
use crate::objects::one;
use redis_sync_local::Operation;
use serde_json::json;
use std::time::Duration;

/// Objects of the large sync: more than a page of a listing. `SYNC_OBJECTS` asks for more, to
/// measure.
fn large() -> usize {
    let number = std::env::var("SYNC_OBJECTS").ok();
    number.map_or(1200, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures of a measurement")]
async fn a_large_bucket_is_synced_page_by_page() {
    let (environment, number) = (environment(&[]).await, large());
    let limit = Duration::from_secs(900);
    for object in 0..number {
        environment
            .s3
            .put(&format!("flags/{object:07}.json"), one(&object.to_string()));
    }
    let mut seconds = Vec::new();
    let expected = [("synced", number), ("unchanged", number)];
    for (outcome, number) in expected {
        let started = std::time::Instant::now();
        environment.s3.reset_counts();
        let request = json!({"sync": {}});
        let report = environment
            .function
            .invoke_within(&request, limit)
            .await
            .unwrap();
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(
            counts(&report),
            counted([(outcome, u64::try_from(number).unwrap())])
        );
        // The plugin is in the listing too.
        let pages = (number + 1).div_ceil(1000);
        assert_eq!(environment.s3.count_of(Operation::ListObjectsV2, ""), pages);
    }
    let peak = environment.function.peak_memory_mib().unwrap();
    println!("{number} objects: {seconds:.1?} s, {peak} MiB at most");
    // What is unchanged was not read.
    assert_eq!(environment.s3.count(Operation::GetObject), 0);
    environment
        .function
        .wait_for_log("full sync")
        .await
        .unwrap();

    // Gone objects of every page, and before and after all others.
    for object in (0..number).step_by(500).chain([number - 1]) {
        environment.s3.delete(&format!("flags/{object:07}.json"));
    }
    let gone = u64::try_from(number.div_ceil(500) + 1).unwrap();
    let request = json!({"sync": {}});
    let report = environment
        .function
        .invoke_within(&request, limit)
        .await
        .unwrap();
    let left = u64::try_from(number).unwrap() - gone;
    assert_eq!(
        counts(&report),
        counted([("unchanged", left), ("deleted", gone)])
    );
    let status = environment
        .function
        .invoke(json!({"status": {}}))
        .await
        .unwrap();
    assert_eq!(status["objects"], left);
}
