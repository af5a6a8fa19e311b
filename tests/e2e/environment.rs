//! What most tests start from: a bucket with the scripted guest for everything under `flags/`, a
//! Redis, and a function; and what they do with them.

use crate::objects::texts;
use redis_sync_local::{
    self as local, BUCKET, Environment, Function, InvokeError, Queue, Redis, S3, event,
};
use redis_sync_tests::held::held;
use redis_sync_tests::turnstile::Turnstile;
use redis_sync_tests::{compiled, guest, program};
use serde_json::{Value, json};
use std::time::Duration;

/// An environment whose function has these variables besides those that lead it to the others.
pub(crate) async fn environment(more: &[(&str, &str)]) -> Environment {
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables = std::iter::once(compiled::variable()).chain(more);
    let environment = Environment::start_with(program::bootstrap(), variables)
        .await
        .unwrap();
    // What it reads before its first event is over: whatever goes wrong from now on does so for an event.
    environment.function.ready().await.unwrap();
    guest::upload(&environment.s3);
    environment
}

/// A queue, and a function that has it for its own work.
pub(crate) async fn with_queue() -> (Queue, Environment) {
    let queue = Queue::start().await.unwrap();
    let (url, endpoint) = (queue.url(), queue.endpoint());
    let environment = environment(&[
        ("SYNC_QUEUE_URL", url.as_str()),
        ("AWS_ENDPOINT_URL_SQS", endpoint.as_str()),
    ])
    .await;
    (queue, environment)
}

/// Gives a function all that is in the queue, until there is nothing left.
pub(crate) async fn work_off(function: &Function, queue: &Queue) {
    let limit = Duration::from_secs(60);
    while let Some(batch) = queue.receive(10) {
        let answer = function.invoke_within(batch.event(), limit).await.unwrap();
        assert_eq!(queue.settle(batch, &answer), 0, "{answer}");
    }
}

/// The variables that lead a function to a bucket, a Redis server, and the guest's machine code.
pub(crate) fn variables(s3: &S3, redis: &Redis) -> Vec<(String, String)> {
    let mut variables = local::variables(s3, redis);
    variables.push(compiled::variable());
    variables
}

/// A bucket and a Redis without a function, and a turnstile before that Redis; and the variables that lead past it.
pub(crate) async fn with_turnstile() -> (S3, Redis, Turnstile, Vec<(String, String)>) {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    guest::upload(&s3);
    let turnstile = Turnstile::before_each(std::slice::from_ref(&redis)).await;
    let variables = variables(&s3, &redis);
    (s3, redis, turnstile.unwrap(), variables)
}

/// Puts an object that yields `bytes` entries, and delivers its event; the report.
pub(crate) async fn upload(
    environment: &Environment,
    key: &str,
    entries: &[(&str, &str)],
) -> Value {
    environment.upload(key, texts(entries)).await.unwrap()
}

/// Puts objects, then delivers one event with a record for each.
pub(crate) async fn upload_all(
    environment: &Environment,
    objects: &[(&str, String)],
) -> Result<Value, InvokeError> {
    for (key, body) in objects {
        environment.s3.put(key, body);
    }
    let events = objects
        .iter()
        .map(|(key, _)| event::created(environment.s3.bucket(), key));
    environment.function.invoke(event::batch(events)).await
}

/// Puts what is under the plugins' prefix, or deletes it, and has all read the plugin list again, as
/// whoever handles its event does before anything is synced for it.
pub(crate) async fn change_plugins(environment: &Environment, key: &str, body: Option<&[u8]>) {
    match body {
        Some(body) => {
            environment.s3.put(key, body);
        }
        None => environment.s3.delete(key),
    }
    let raise = ["INCR", "redis-sync:generation:config"];
    environment.redis.command(&raise).await.unwrap();
}

/// The report of a full sync.
pub(crate) async fn sync(environment: &Environment, request: Value) -> Value {
    let request = json!({"sync": request});
    environment.function.invoke(request).await.unwrap()
}

/// Asserts what Redis holds, all of it.
pub(crate) async fn assert_held(environment: &Environment, expected: Value) {
    assert_eq!(held(&environment.redis).await, expected);
}

/// How often Redis was sent a command since its statistics were reset.
pub(crate) async fn calls_of(redis: &Redis, command: &str) -> u64 {
    let statistics = redis.command(&["INFO", "commandstats"]).await.unwrap();
    let start = format!("cmdstat_{command}:calls=");
    let calls = statistics
        .lines()
        .find_map(|line| line.strip_prefix(&start)?.split_once(','));
    calls.map_or(0, |(calls, _)| calls.parse().unwrap())
}
