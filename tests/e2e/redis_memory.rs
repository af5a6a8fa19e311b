//! What an object costs in Redis.

use crate::environment::variables;
use crate::objects::texts;
use crate::principals::put_by;
use redis_sync_local::{BUCKET, Redis, S3};
use redis_sync_tests::guest;
use redis_sync_tests::host::{Host, LIMIT};

/// Objects that are put, unless `REDIS_MEMORY_OBJECTS` says otherwise.
const OBJECTS: usize = 300;

/// Bytes of an object with one key and one plugin, by `MEMORY USAGE`: its record, its share of the index
/// and of the owners, and the key itself.
const ONE_KEY: usize = 600;

/// Bytes of bookkeeping of each further key.
const EACH_FURTHER: usize = 100;

/// Bytes of bookkeeping of who has put an object, where its event tells.
const WHO: usize = 120;

/// A principal as events name it: a role in use, under the name of its session.
const PRINCIPAL: &str = "AWS:AROAEXAMPLEEXAMPLE123:deployment-pipeline";

/// The memory that all keys take that match a pattern.
async fn usage(redis: &Redis, pattern: &str) -> usize {
    let script = "local all = 0
        for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
            all = all + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
        end
        return all";
    let answer = redis
        .command(&["EVAL", script, "0", pattern])
        .await
        .unwrap();
    answer.parse().unwrap()
}

/// Bytes of an object with so many keys: of data, and of bookkeeping. It comes by a sync, or by its event.
async fn of_one(objects: usize, keys: usize, by_event: bool) -> (usize, usize) {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    guest::upload(&s3);
    let host = Host::start(&s3, &variables(&s3, &redis));
    for object in 0..objects {
        let names: Vec<String> = (0..keys)
            .map(|key| format!("flag:{object:05}:{key}"))
            .collect();
        let value = "v".repeat(40);
        let entries: Vec<(&str, &str)> = names.iter().map(|key| (key.as_str(), &*value)).collect();
        let key = format!("flags/{object:05}");
        let etag = s3.put(&key, texts(&entries));
        if by_event {
            let event = put_by(&key, &etag, PRINCIPAL);
            host.invoke(&event, LIMIT).await.unwrap();
        }
    }
    if !by_event {
        host.full_sync().await.unwrap();
    }
    let record = "redis-sync:object:config/flags/00007";
    let encoding = redis
        .command(&["OBJECT", "ENCODING", record])
        .await
        .unwrap();
    assert!(["listpack", "ziplist"].contains(&&*encoding), "{encoding}");
    let data = usage(&redis, "flag:*").await;
    let kept = usage(&redis, "redis-sync:*").await;
    (data / objects, kept / objects)
}

/// Fails where a field of a record is longer than 64 bytes: Redis then keeps the hash as a table.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures of a measurement")]
async fn what_an_object_costs_in_redis_is_bounded() {
    let objects = std::env::var("REDIS_MEMORY_OBJECTS").ok();
    let objects = objects
        .and_then(|number| number.parse().ok())
        .unwrap_or(OBJECTS);
    let (data, one) = of_one(objects, 1, false).await;
    let (_, ten) = of_one(objects, 10, false).await;
    let further = (ten - one) / 9;
    let who = of_one(objects, 1, true).await.1 - one;
    println!(
        "{objects} objects: {one} bytes each with one key, {data} of data besides, {further} for each further key, \
         {who} for who has put it"
    );
    assert!(data + one <= ONE_KEY, "{data} + {one} bytes");
    assert!(further <= EACH_FURTHER, "{further} bytes");
    assert!((1..=WHO).contains(&who), "{who} bytes");
}
