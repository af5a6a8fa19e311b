//! Several invocations in one function at a time, as Lambda Managed Instances deliver them.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, environment};
use crate::objects::one;
use crate::observed::lines;
use futures::future::join_all;
use redis_sync_local::{Environment, InvokeError, Operation, event};
use redis_sync_tests::held::held;
use serde_json::{Value, json};
use std::time::Duration;

/// As many as one process of a managed instance is given at once.
const EIGHT: (&str, &str) = ("AWS_LAMBDA_MAX_CONCURRENCY", "8");

/// The time of an invocation that has little. Half a second of it is kept for the answer.
const LITTLE: Duration = Duration::from_secs(3);

/// Delivers one event of these objects.
async fn deliver(environment: &Environment, keys: &[&str]) -> Result<Value, InvokeError> {
    let events = event::batch(keys.iter().map(|key| event::created("config", key)));
    environment.function.invoke(events).await
}

/// The same, with little time.
async fn deliver_soon(environment: &Environment, keys: &[&str]) -> Result<Value, InvokeError> {
    let events = event::batch(keys.iter().map(|key| event::created("config", key)));
    environment.function.invoke_within(events, LITTLE).await
}

/// Keys of one object for each of seven invocations.
fn seven() -> Vec<String> {
    (1..8).map(|number| format!("flags/{number}")).collect()
}

/// Delivers an event of its own for each of these objects, all at once.
async fn deliver_each(environment: &Environment, keys: &[String]) {
    let all = keys.iter().map(async |key| {
        let report = deliver(environment, &[key]).await.unwrap();
        assert_eq!(outcome(&report), "synced", "{report}");
    });
    join_all(all).await;
}

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

/// Fails where the first invocation's deadline is that of all, or invocations share the places that
/// `CONCURRENCY` gives each of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_whose_time_is_over_names_what_is_left_and_the_seven_others_go_on() {
    let environment = environment(&[EIGHT, ("CONCURRENCY", "1")]).await;
    environment.upload("flags/0-a", one("0")).await.unwrap();
    let others = seven();
    for key in &others {
        environment.s3.put(key, one(key));
    }
    let short = ["flags/0-a", "flags/0-b", "flags/0-c"];
    for key in short {
        environment.s3.put(key, one(key));
    }
    let park = |key: &str| environment.s3.park(Operation::GetObject, key);
    let parked: Vec<_> = others.iter().map(|key| park(key)).collect();
    let stuck = park("flags/0-b");
    let over = async {
        join_all(parked.iter().map(|parked| parked.reached())).await;
        let why = message(deliver_soon(&environment, &short).await);
        let expected = "2 of 3 objects failed: `flags/0-b`: not finished: the invocation's time is nearly over; `flags/0-c`: not started: the invocation's time is nearly over";
        assert_eq!(why, expected);
        assert_held(&environment, json!({"flags/0-a": "v"})).await;
        drop((stuck, parked));
    };
    tokio::join!(deliver_each(&environment, &others), over);
    deliver(&environment, &short).await.unwrap();
    let all = others.iter().map(String::as_str).chain(short);
    let all: serde_json::Map<_, _> = all.map(|key| (key.to_owned(), json!("v"))).collect();
    assert_held(&environment, all.into()).await;
}

/// All invocations read the plugin list and a module once. Fails where who waits for that ends with who
/// has begun it.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_invocation_was_reading_for_all_when_its_time_was_over_is_there_for_the_others() {
    for (operation, key) in [
        (Operation::ListObjectsV2, "plugins/"),
        (Operation::GetObject, "plugins/flags.wasm"),
    ] {
        let environment = environment(&[EIGHT]).await;
        let others = seven();
        for key in others.iter().map(String::as_str).chain(["flags/0"]) {
            environment.s3.put(key, one(key));
        }
        let parked = environment.s3.park(operation, key);
        let first = deliver_soon(&environment, &["flags/0"]);
        tokio::pin!(first);
        tokio::select! {
            answer = &mut first => panic!("it did not need `{key}`: {answer:?}"),
            () = parked.reached() => {}
        }
        let over = async {
            let why = message(first.await);
            assert!(why.contains("`flags/0`: not started"), "{why}");
            parked.release();
        };
        tokio::join!(deliver_each(&environment, &others), over);
    }
}

/// A program that looks at nothing and writes nothing.
const IDLE: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// The budget is the process's. Memory is waited for before a body is read, by a plugin that runs, and
/// before a commit. Fails where it is not waited for at all, or a plugin does not wait and fails.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_vain_for_memory_that_another_invocation_has_keeps_nobody_from_it() {
    // Room for what one object may take, and for less than a megabyte more.
    let environment = environment(&[
        EIGHT,
        ("MEMORY_BUDGET_MIB", "640"),
        ("MEMORY_LIMIT_MIB", "269"),
    ])
    .await;
    let idle = wat::parse_str(IDLE).unwrap();
    environment.s3.put("plugins/idle.wasm", idle);
    // Loading the plugins is not what this is about.
    for (key, body) in [("flags/0", one("warm")), ("idle/0", String::new())] {
        environment.upload(key, body).await.unwrap();
    }
    let before = json!({"warm": "v", "idle/0": ""});
    let others = seven();
    for key in &others[1..] {
        environment.s3.put(key, one(key));
    }
    // Much more than fits into what is between S3 and its reader.
    environment.s3.put("idle/has", vec![b' '; 24 << 20]);
    environment.s3.put("idle/waits", vec![b' '; 2 << 20]);
    environment.s3.put("flags/waits", one("waits"));
    let has = environment.s3.park_end("idle/has");
    let holder = async { outcome(&deliver(&environment, &["idle/has"]).await.unwrap()).to_owned() };
    let waiting = async {
        has.reached().await;
        let over = async {
            let waits = ["flags/waits", "idle/waits"];
            let why = message(deliver_soon(&environment, &waits).await);
            assert!(why.starts_with("2 of 2 objects failed: "), "{why}");
            assert_eq!(held(&environment.redis).await, before);
            has.release();
        };
        tokio::join!(deliver_each(&environment, &others[1..]), over);
    };
    let (outcome, ()) = tokio::join!(holder, waiting);
    assert_eq!(outcome, "synced");
    deliver(&environment, &["flags/waits", "idle/waits"])
        .await
        .unwrap();
}

/// Fails where what is refused is counted by another invocation than the one that asked, or by none.
#[tokio::test(flavor = "multi_thread")]
async fn memory_that_can_never_be_given_fails_the_invocation_that_asked_for_it_alone() {
    let environment = environment(&[EIGHT]).await;
    environment
        .s3
        .put("plugins/big.wasm", wat::parse_str(IDLE).unwrap());
    let routes = r#"[[route]]
        prefix = "big/"
        plugin = "big.wasm"
        memory_mib = 4000
        [[route]]
        prefix = "flags/"
        plugin = "flags.wasm""#;
    environment.s3.put("plugins/routes.toml", routes);
    environment.s3.put("big/a", "");
    let others = seven();
    for key in &others {
        environment.s3.put(key, one(key));
    }
    let park = |key: &String| environment.s3.park(Operation::GetObject, key);
    let parked: Vec<_> = others.iter().map(park).collect();
    let refused = async {
        join_all(parked.iter().map(|parked| parked.reached())).await;
        let why = message(deliver(&environment, &["big/a"]).await);
        assert!(why.contains("`big/a` cannot be worked on"), "{why}");
        drop(parked);
    };
    tokio::join!(deliver_each(&environment, &others), refused);
    let (_, metrics) = lines(&environment);
    let mut counts: Vec<[u64; 4]> = metrics
        .iter()
        .filter(|line| line["Duration"].is_number())
        .map(|line| {
            [
                "BudgetRefusals",
                "ObjectsFailed",
                "InvocationsFailed",
                "ObjectsSynced",
            ]
            .map(|name| line[name].as_u64().unwrap_or(0))
        })
        .collect();
    counts.sort_unstable();
    let mut expected = vec![[0, 0, 0, 1]; 7];
    expected.push([1, 1, 1, 0]);
    assert_eq!(counts, expected);
}
