//! More objects than fit into a page of a listing, or into one function. `make large` measures many.

use crate::answers::{counted, counts};
use crate::environment::environment;
use crate::objects::one;
use redis_sync_local::{Environment, Operation};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Objects of the large sync: more than a page of a listing. `SYNC_OBJECTS` asks for more, to
/// measure.
fn large() -> usize {
    let number = std::env::var("SYNC_OBJECTS").ok();
    number.map_or(1200, |number| number.parse().unwrap())
}

/// How long an invocation may take, as in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One object of so many is put again, or deleted.
const FEW: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_bucket_is_synced_page_by_page() {
    let (environment, number) = (environment(&[]).await, large());
    let key = |object: usize| format!("flags/{object:07}.json");
    for object in 0..number {
        environment.s3.put(&key(object), one(&object.to_string()));
    }
    let all = u64::try_from(number).unwrap();
    let counts = in_rounds(&environment, "first", number).await;
    // What is under way when a round is over may be committed without a report: the next one finds it unchanged.
    let (synced, rounds) = (counts["synced"], counts.get("unchanged").map_or(0, |_| 20));
    assert!((all - 8 * rounds..=all).contains(&synced), "{counts:?}");
    environment
        .function
        .wait_for_log("full sync")
        .await
        .unwrap();

    let counts = in_rounds(&environment, "of the unchanged", number).await;
    assert_eq!(counts, counted([("unchanged", all)]));
    assert_eq!(environment.s3.count(Operation::GetObject), 0);

    let again = (0..number).step_by(FEW);
    let changed = u64::try_from(again.len()).unwrap();
    for object in again {
        let entry = one(&format!("{object} again"));
        environment.s3.put(&key(object), entry);
    }
    let counts = in_rounds(&environment, "of a thousandth that has changed", number).await;
    let expected = [("synced", changed), ("unchanged", all - changed)];
    assert_eq!(counts, counted(expected));
    // What is unchanged was not read.
    let reads = environment.s3.count(Operation::GetObject);
    assert_eq!(u64::try_from(reads).unwrap(), changed);

    // Of every page, and before and after all others.
    let gone: Vec<usize> = (0..number).step_by(FEW / 2).chain([number - 1]).collect();
    for object in &gone {
        environment.s3.delete(&key(*object));
    }
    let left = number - gone.len();
    let counts = in_rounds(&environment, "of a few that are gone", left).await;
    let gone = u64::try_from(gone.len()).unwrap();
    let left = all - gone;
    assert_eq!(counts, counted([("unchanged", left), ("deleted", gone)]));
    let status = json!({"status": {}});
    let status = environment.function.invoke(status).await.unwrap();
    assert_eq!(status["objects"], left);
}

/// The counts of a full sync in as many invocations as it takes, of which it says how many those were.
#[expect(clippy::print_stdout, reason = "the figures of a measurement")]
async fn in_rounds(
    environment: &Environment,
    which: &str,
    objects: usize,
) -> BTreeMap<String, u64> {
    environment.s3.reset_counts();
    let started = Instant::now();
    let mut sum = BTreeMap::new();
    let (mut request, mut rounds) = (json!({"sync": {}}), 0);
    loop {
        let report = environment.function.invoke_within(&request, TIMEOUT).await;
        let report = report.unwrap();
        rounds += 1;
        let failed = report["failed"].as_array().unwrap().iter();
        let mut failed = failed.filter_map(|one| one["error"].as_str());
        assert!(
            failed.all(|why| why.ends_with("the invocation's time is nearly over")),
            "{report}"
        );
        for (outcome, count) in counts(&report) {
            *sum.entry(outcome).or_default() += count;
        }
        let Some(next) = report.get("next") else {
            break;
        };
        request = json!({"sync": {"after": next, "chain": report["chain"]}});
        assert_eq!(report["got_on"], true, "{report}");
    }
    // The plugin is in the listing too.
    let pages = (objects + 1).div_ceil(1000);
    let lists = environment.s3.count_of(Operation::ListObjectsV2, "");
    // A round begins with a page of its own, and one more where what it lists begins behind the plugins.
    let most = pages + 2 * (rounds - 1);
    assert!((pages..=most).contains(&lists), "{lists} of {pages} pages");
    let peak = environment.function.peak_memory_mib().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{objects} objects, sync {which}: {seconds:.1} s, {rounds} rounds, {lists} LISTs, {peak} MiB at most so far"
    );
    sum
}
