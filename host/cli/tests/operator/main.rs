//! What operators type, on a real bucket and a real Redis; and the same through the deployed function,
//! which is the real `bootstrap` behind what stands for Lambda's interface.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod capture;
mod dev;
mod doctor;
mod endings;
mod page;
mod publishing;
mod redrive;
mod terminal;
mod transcript;
mod typed;

use redis_sync_local::{BUCKET, Environment, Queue, Redis, S3, variables};
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::sync::Arc;
use typed::{expect, lambda, typed};

/// The scripted guest's object that yields one text.
fn one(key: &str) -> String {
    json!({"do": "yield", "entries": {key: {"bytes": "secret value"}}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_would_be_done_does_it_and_finds_out_why() {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    guest::upload(&s3);
    s3.put("flags/a", one("k"));
    s3.put(
        "flags/b",
        json!({"do": "fail", "message": "no"}).to_string(),
    );
    s3.put("plain", "as it is");
    let variables = variables(&s3, &redis);
    let type_in = |words: &'static [&'static str], status, parts: &'static [&'static str]| {
        let variables = variables.clone();
        async move { expect(words, &variables, status, parts).await }
    };
    type_in(
        &["sync", "--dry-run"],
        1,
        &[
            "2 would be synced",
            "1 would fail",
            "flags/b",
            "Redis keys: 2 added, 0 changed, 0 removed",
            "+ plain (bytes; 8 bytes)",
        ],
    )
    .await;
    let (_, said) = typed(&["sync", "--dry-run", "--json"], &variables).await;
    let document: Value = serde_json::from_str(&said).unwrap();
    let changes = &document["plan"]["changes"];
    assert_eq!(changes["keys"]["added"], 2);
    assert_eq!(changes["objects"][0]["changes"][0]["key"], "k");
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), "0");
    type_in(&["sync"], 3, &["nobody is there to be asked", "--yes"]).await;
    type_in(&["sync", "--yes"], 1, &["3 objects", "2 synced", "flags/b"]).await;
    type_in(&["status"], 1, &["2 objects in Redis, 1 failed", "flags/b"]).await;
    type_in(&["explain", "k"], 0, &["flags/a", "flags.wasm"]).await;
    type_in(
        &["explain", "nothing"],
        1,
        &["was not written by Redis Sync"],
    )
    .await;
    type_in(&["read", "k", "--show-values"], 0, &["secret value"]).await;
    let (ended, said) = typed(&["read", "k"], &variables).await;
    assert!(ended == 0 && !said.contains("secret"), "{said}");
    type_in(
        &["doctor"],
        0,
        &[
            "✓ listing",
            "✓ objects",
            "✓ redis",
            "✓ cluster",
            "! compiled",
        ],
    )
    .await;

    s3.put("flags/b", one("l"));
    type_in(
        &["sync", "flags/", "--yes"],
        0,
        &["1 synced", "1 unchanged"],
    )
    .await;
    type_in(&["sync", "--yes"], 0, &["there is nothing to do"]).await;
    type_in(&["forget", "gone"], 3, &["--dry-run"]).await;
    type_in(
        &["forget", "gone", "--dry-run"],
        0,
        &["`gone` owns 0 Redis keys"],
    )
    .await;
    let own = ["is not another bucket", "`--help` says"];
    expect(&["forget", BUCKET, "--yes"], &variables, 3, &own).await;
    let own = ["key of the bookkeeping", "`--help` says"];
    expect(&["read", "redis-sync:x"], &variables, 3, &own).await;
    s3.delete("flags/b");
    type_in(
        &["sync", "--dry-run"],
        0,
        &[
            "1 would be deleted",
            "0 added, 0 changed, 1 removed",
            "- l (bytes; ",
        ],
    )
    .await;
    s3.put("flags/b", one("l"));
    let (ended, said) = typed(&["status", "--json"], &variables).await;
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (ended, &status["objects"], &status["failed"]),
        (0, &json!(3), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_sees_keys_that_are_not_free() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    guest::upload(&s3);
    s3.put("flags/a", one("k"));
    s3.put("flags/b", one("k"));
    let variables = variables(&s3, &redis);
    let said = ["✗ 2 objects", "`k` is yielded by flags/a, flags/b"];
    expect(&["sync", "--dry-run"], &variables, 1, &said).await;
    let (_, said) = typed(&["sync", "--dry-run", "--json"], &variables).await;
    let document: Value = serde_json::from_str(&said).unwrap();
    let contested = &document["plan"]["changes"]["contested"];
    assert_eq!(contested, &json!({"k": ["flags/a", "flags/b"]}));

    s3.delete("flags/b");
    expect(&["sync", "--yes"], &variables, 0, &["1 synced"]).await;
    s3.put("flags/b", one("k"));
    let said = [
        "✗ 2 objects",
        "✗ flags/b: the Redis key `k` belongs to the object `config/flags/a`",
    ];
    expect(&["sync", "--dry-run"], &variables, 1, &said).await;

    s3.put("flags/a", one("l"));
    expect(&["sync", "--dry-run"], &variables, 0, &["✓ 2 objects"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_named_with_what_to_do() {
    expect(
        &["status"],
        &[],
        3,
        &["CONFIG_BUCKET_NAME is missing", "--function NAME"],
    )
    .await;
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    let mut variables = variables(&s3, &redis);
    variables.push(("REDIS_HOST".into(), "127.0.0.1".into()));
    variables.push(("REDIS_PORT".into(), "1".into()));
    expect(&["doctor"], &variables, 1, &["✓ listing", "✗ redis"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_what_redis_does_not_allow() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    let user = [
        "ACL", "SETUSER", "small", "on", ">secret", "~*", "&*", "+@all", "-rename", "-pttl",
    ];
    redis.command(&user).await.unwrap();
    let mut variables = variables(&s3, &redis);
    variables.push(("REDIS_USERNAME".into(), "small".into()));
    variables.push(("REDIS_PASSWORD".into(), "secret".into()));
    let said = [
        "✓ sign-in",
        "as `small`",
        "✗ acl",
        "may not use PTTL, RENAME:",
    ];
    expect(&["doctor"], &variables, 1, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_deployed_function_it_is_the_same() {
    let environment = Environment::start_with(program::bootstrap(), [("READ_ANY", "false")]);
    let environment = Arc::new(environment.await.unwrap());
    guest::upload(&environment.s3);
    environment.s3.put("flags/a", one("k"));
    let endpoint = lambda(Arc::clone(&environment)).await;
    let variables = [("AWS_ENDPOINT_URL_LAMBDA", endpoint.as_str())];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let function = ["--function", "redis-sync"];
    let words = |words: &[&'static str]| [words, &function].concat();
    expect(&words(&["sync", "--yes"]), &variables, 0, &["1 synced"]).await;
    expect(&words(&["status"]), &variables, 0, &["1 object in Redis"]).await;
    expect(
        &words(&["read", "k", "--show-values"]),
        &variables,
        0,
        &["secret value"],
    )
    .await;
    expect(&words(&["doctor"]), &variables, 0, &["✓ function"]).await;
    let own = words(&["forget", BUCKET, "--yes"]);
    expect(
        &own,
        &variables,
        3,
        &[
            "the function `redis-sync` fails",
            "is not another bucket",
            "`--help` says",
        ],
    )
    .await;
}

/// What failed before goes to the queue where the function has one. An operator who asks is told what becomes of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_an_operator_asks_for_leaves_nothing_to_the_queue() {
    let (s3, redis, queue) =
        tokio::try_join!(S3::start(BUCKET), Redis::start(), Queue::start()).unwrap();
    guest::upload(&s3);
    s3.put(
        "flags/a",
        json!({"do": "fail", "message": "no"}).to_string(),
    );
    let mut variables = variables(&s3, &redis);
    variables.push(("AWS_ENDPOINT_URL_SQS".into(), queue.endpoint()));
    variables.push(("SYNC_QUEUE_URL".into(), queue.url()));
    for _ in 0..2 {
        let words = ["sync", "--yes"];
        expect(&words, &variables, 1, &["1 failed", "flags/a"]).await;
    }
    assert_eq!(queue.sent(), 0);
    s3.put("flags/a", one("k"));
    expect(&["sync", "--yes"], &variables, 0, &["✓ 1 object: 1 synced"]).await;
}
