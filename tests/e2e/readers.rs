//! G2: a reader sees all of an object's old entries or all of its new ones.

use crate::environment::variables;
use crate::objects::many;
use redis_sync_local::{BUCKET, Redis, S3};
use redis_sync_tests::connection::connect;
use redis_sync_tests::guest;
use redis_sync_tests::host::Host;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often the object flips.
const FLIPS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_one_key_see_one_version() {
    flip(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_a_thousand_keys_see_one_version() {
    flip(1000).await;
}

async fn flip(keys: usize) {
    let (s3, redis) = (
        S3::start(BUCKET).await.unwrap(),
        Redis::start().await.unwrap(),
    );
    guest::upload(&s3);
    let host = Host::start(&s3, &variables(&s3, &redis));
    let over = Arc::new(AtomicBool::new(false));
    let transaction = tokio::spawn(read(connect(&redis).await, keys, true, Arc::clone(&over)));
    let one_command = tokio::spawn(read(connect(&redis).await, keys, false, Arc::clone(&over)));
    for flip in 0..FLIPS {
        s3.put("flags/a", many("k", keys, &format!("version {flip}")));
        host.deliver_one("flags/a").await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    for reader in [transaction, one_command] {
        let versions = reader.await.unwrap();
        assert!(versions > 3, "only {versions} versions were seen");
    }
}

/// Reads all keys until it is over; how many versions were seen.
async fn read(
    mut link: redis::aio::MultiplexedConnection,
    keys: usize,
    transaction: bool,
    over: Arc<AtomicBool>,
) -> usize {
    let names: Vec<String> = (0..keys).map(|number| format!("k:{number}")).collect();
    let (mut versions, mut last) = (0, None);
    while !over.load(Ordering::Relaxed) {
        let seen: Vec<Option<String>> = if transaction {
            let mut pipeline = redis::pipe();
            pipeline.atomic();
            for name in &names {
                pipeline.get(name);
            }
            pipeline.query_async(&mut link).await.unwrap()
        } else {
            redis::cmd("MGET")
                .arg(&names)
                .query_async(&mut link)
                .await
                .unwrap()
        };
        assert_eq!(seen.len(), keys);
        assert!(
            seen.iter().all(|value| *value == seen[0]),
            "a mix: {:?} and others",
            seen[0]
        );
        if last.as_ref() != Some(&seen[0]) {
            versions += 1;
            last = Some(seen[0].clone());
        }
    }
    versions
}
