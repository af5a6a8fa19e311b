//! Values too large to be sent with a commit: staged only where nothing is in the way, never without an
//! expiry, and gone where the commit is refused.

use crate::answers::message;
use crate::environment::{calls_of, environment, with_turnstile};
use crate::objects::{one, yields};
use futures::StreamExt;
use redis_sync_local::{Environment, Redis, event};
use redis_sync_tests::host::Host;
use serde_json::json;
use std::time::Duration;

/// An object that yields one value of a megabyte.
fn large() -> String {
    json!({"do": "flood", "bytes": 1 << 20}).to_string()
}

async fn staged(redis: &Redis) -> String {
    redis
        .command(&["KEYS", "redis-sync:stage:*"])
        .await
        .unwrap()
}

/// How often Redis was sent a chunk of a string.
async fn chunks(environment: &Environment) -> u64 {
    calls_of(&environment.redis, "setrange").await
}

/// Five deliveries of a megabyte that another object keeps from being written send none of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_found_before_anything_is_staged() {
    let environment = environment(&[]).await;
    environment
        .upload("flags/owner", one("flood"))
        .await
        .unwrap();
    environment.s3.put("flags/second", large());
    for _ in 0..5 {
        let delivered = environment
            .function
            .invoke(event::created("config", "flags/second"));
        let why = message(delivered.await);
        assert!(
            why.contains("the Redis key `flood` belongs to the object `flags/owner`"),
            "{why}"
        );
    }
    assert_eq!(chunks(&environment).await, 0);
    assert_eq!(staged(&environment.redis).await, "");
    environment
        .upload("flags/owner", one("other"))
        .await
        .unwrap();
    let delivered = environment
        .function
        .invoke(event::created("config", "flags/second"));
    delivered.await.unwrap();
    assert_eq!(chunks(&environment).await, 4);
    assert_eq!(staged(&environment.redis).await, "");
    let length = environment
        .redis
        .command(&["STRLEN", "flood"])
        .await
        .unwrap();
    assert_eq!(length, (1 << 20).to_string());
}

/// Whoever dies after any of the calls leaves nothing that stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_and_its_expiry_are_one_call() {
    let environment = environment(&[]).await;
    let client = redis::Client::open(environment.redis.url()).unwrap();
    let mut monitor = client.get_async_monitor().await.unwrap();
    environment.upload("flags/large", large()).await.unwrap();
    let mut said = monitor.on_message::<String>();
    let mut commands = Vec::new();
    while commands.last().is_none_or(|command| command != "RENAME") {
        let line = said.next().await.unwrap();
        let mut words = line.split('"').skip(1).step_by(2);
        commands.push(words.next().unwrap_or_default().to_uppercase());
    }
    let first = commands
        .iter()
        .position(|command| command == "SETRANGE")
        .unwrap();
    assert_eq!(
        commands[first - 2..=first + 1],
        ["EVALSHA", "STRLEN", "SETRANGE", "EXPIRE"]
    );
}

/// Another object takes the key when the values are staged, and before they are committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_conflict_comes_in_between_of_leaves_nothing_staged() {
    let (s3, redis, turnstile, mut variables) = with_turnstile().await;
    let other = Host::start(&s3, &variables);
    variables.push(("REDIS_PORT".into(), turnstile.port().to_string()));
    let host = Host::start(&s3, &variables);
    s3.put("flags/large", large());
    let mut calls = 1;
    loop {
        turnstile.let_through(calls);
        let delivered = host.deliver_one("flags/large");
        tokio::pin!(delivered);
        tokio::select! {
            delivered = &mut delivered => panic!("nothing was staged before it was committed: {delivered:?}"),
            () = turnstile.holds_one() => {}
        }
        let is_staged = !staged(&redis).await.is_empty();
        if is_staged {
            s3.put("flags/owner", one("flood"));
            other.deliver_one("flags/owner").await.unwrap();
        }
        turnstile.open();
        let delivered = delivered.await;
        assert_eq!(staged(&redis).await, "");
        if is_staged {
            let why = delivered.unwrap_err();
            assert!(
                why.contains("the Redis key `flood` belongs to the object `flags/owner`"),
                "{why}"
            );
            return;
        }
        redis.command(&["FLUSHALL"]).await.unwrap();
        calls += 1;
    }
}

/// Redis evicts what expires before all else: a staged value, or as much of it as was there, at whichever step that is.
/// What is written in the end is all of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_redis_loses_of_a_staged_value_is_staged_again() {
    let (s3, redis, turnstile, mut variables) = with_turnstile().await;
    variables.push(("REDIS_PORT".into(), turnstile.port().to_string()));
    let host = Host::start(&s3, &variables);
    let items: Vec<String> = (0..1800).map(|number| number.to_string()).collect();
    s3.put("flags/large", yields(&json!({"l": {"list": items}})));
    for (what, least) in [("UNLINK", 4), ("RPOP", 4)] {
        let mut lost = 0;
        for calls in 0.. {
            redis.command(&["FLUSHALL"]).await.unwrap();
            turnstile.let_through(calls);
            let delivered = host.deliver_one("flags/large");
            tokio::pin!(delivered);
            let is_held = tokio::select! {
                delivered = &mut delivered => { delivered.unwrap(); false }
                () = turnstile.holds_one() => true,
            };
            for staged in staged(&redis).await.lines() {
                redis.command(&[what, staged]).await.unwrap();
                lost += 1;
            }
            turnstile.open();
            if is_held {
                delivered.await.unwrap();
            }
            let written = redis.command(&["LRANGE", "l", "0", "-1"]).await.unwrap();
            assert_eq!(written, items.join("\n"), "{what} after {calls} calls");
            if !is_held {
                break;
            }
        }
        assert!(lost >= least, "{what}: {lost}");
    }
}

/// A value that Redis has no room for is delivered again and again: each time it would leave what came to
/// lie there until then, be it of this value or of one before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_redis_has_no_room_for_leaves_nothing_staged() {
    for smaller in [0, 300 << 10] {
        no_room_leaves_nothing_staged(smaller).await;
    }
}

async fn no_room_leaves_nothing_staged(smaller: usize) {
    let environment = environment(&[]).await;
    environment.upload("flags/small", one("k")).await.unwrap();
    let info = environment
        .redis
        .command(&["INFO", "memory"])
        .await
        .unwrap();
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.unwrap().trim().parse().unwrap();
    let room = (used + (900 << 10) + 2 * u64::try_from(smaller).unwrap()).to_string();
    let limit = ["CONFIG", "SET", "maxmemory", &room];
    environment.redis.command(&limit).await.unwrap();
    let entries = json!({"a": {"bytes": "v".repeat(smaller)}, "b": {"bytes": "v".repeat(1 << 20)}});
    let why = environment.upload("flags/large", yields(&entries)).await;
    let why = why.unwrap_err().to_string();
    assert!(why.contains("maxmemory"), "{why}");
    // Some of it came to lie there.
    assert!(chunks(&environment).await > 0);
    assert_eq!(staged(&environment.redis).await, "");
}

/// A Redis that stops while values are staged is waited for once, not once more for each of them: the object
/// fails by its own reason, before the time of its invocation is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_answer_is_not_asked_to_remove_what_is_staged() {
    let environment = environment(&[]).await;
    let value = "v".repeat(1 << 20);
    let entries: serde_json::Map<String, serde_json::Value> = (0..4)
        .map(|number| (number.to_string(), json!({"bytes": value})))
        .collect();
    let object = json!({"do": "yield", "entries": entries}).to_string();
    environment.s3.put("flags/large", object);
    let client = redis::Client::open(environment.redis.url()).unwrap();
    let mut monitor = client.get_async_monitor().await.unwrap();
    let stop = async {
        let mut said = monitor.on_message::<String>();
        // All of the first three, and something of the last.
        let mut chunks = 0;
        while chunks < 13 {
            let line = said.next().await.unwrap();
            chunks += usize::from(line.to_uppercase().contains("\"SETRANGE\""));
        }
        environment.redis.pause().unwrap();
    };
    let event = event::created("config", "flags/large");
    let limit = Duration::from_secs(24);
    let (answer, ()) = tokio::join!(environment.function.invoke_within(event, limit), stop);
    let why = message(answer);
    assert!(why.contains("is not available"), "{why}");
    environment.redis.resume().unwrap();
}
