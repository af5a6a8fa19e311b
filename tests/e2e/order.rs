//! Two functions, the events of one object in any order and more than once.

use crate::environment::{assert_held, environment};
use crate::objects::yields;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_sync_local::{Environment, Function, event};
use serde_json::{Value, json};
use std::cell::Cell;

/// One change of the object: another value under its key `k`, more keys, or gone.
#[derive(Clone, Debug)]
enum Change {
    Put(BTreeKeys),
    Delete,
}

/// Keys the object yields, each with the number of the change as its value.
type BTreeKeys = std::collections::BTreeSet<char>;

/// Which function gets which event, in which order: indices into the history.
type Deliveries = Vec<(bool, prop::sample::Index)>;

fn history() -> impl Strategy<Value = (Vec<Change>, Deliveries)> {
    let put = prop::collection::btree_set(prop::char::range('a', 'd'), 0..4).prop_map(Change::Put);
    let change = prop_oneof![3 => put, 1 => Just(Change::Delete)];
    (
        prop::collection::vec(change, 1..5),
        prop::collection::vec(any::<(bool, prop::sample::Index)>(), 0..6),
    )
}

fn entries(keys: &BTreeKeys, number: usize) -> Value {
    keys.iter()
        .map(|key| (key.to_string(), json!({"bytes": number.to_string()})))
        .collect()
}

#[test]
fn two_functions_end_with_the_latest_state_whatever_the_order_of_the_events() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let environment = runtime.block_on(environment(&[]));
    let other = runtime.block_on(environment.another_function()).unwrap();
    let cases = Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&history(), |(history, deliveries)| {
        cases.set(cases.get() + 1);
        runtime.block_on(play(
            &environment,
            &other,
            &format!("flags/{}.json", cases.get()),
            &history,
            &deliveries,
        ));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Changes the object step by step. Early events are delivered at once, all of them again at the
/// end, in an order of their own and to both functions at the same time.
async fn play(
    environment: &Environment,
    other: &Function,
    key: &str,
    history: &[Change],
    deliveries: &Deliveries,
) {
    environment.redis.command(&["FLUSHALL"]).await.unwrap();
    let mut events = Vec::new();
    let mut expected = json!({});
    for (number, change) in history.iter().enumerate() {
        match change {
            Change::Put(keys) => {
                environment.s3.put(key, yields(&entries(keys, number)));
                events.push(event::created(environment.s3.bucket(), key));
                expected = keys
                    .iter()
                    .map(|key| (key.to_string(), json!(number.to_string())))
                    .collect();
            }
            Change::Delete => {
                environment.s3.delete(key);
                events.push(event::removed(environment.s3.bucket(), key));
                expected = json!({});
            }
        }
        if number % 2 == 0 {
            environment
                .function
                .invoke(events.last().unwrap())
                .await
                .unwrap();
        }
    }
    // At least once each, and some of them more than once.
    let again = deliveries
        .iter()
        .map(|(second, index)| (*second, index.get(&events)));
    let (to_first, to_second): (Vec<_>, Vec<_>) = events
        .iter()
        .rev()
        .map(|event| (false, event))
        .chain(again)
        .partition(|(second, _)| !second);
    tokio::join!(
        deliver(&environment.function, &to_first),
        deliver(other, &to_second)
    );
    assert_held(environment, expected).await;
    environment.s3.delete(key);
}

async fn deliver(function: &Function, events: &[(bool, &Value)]) {
    for (_, event) in events {
        function.invoke(*event).await.unwrap();
    }
}
