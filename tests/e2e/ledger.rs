//! The ledger itself: races that are hard to bring about from outside.

use redis_sync::entry::{Entry, EntrySet, Value};
use redis_sync::ledger::{Ledger, Proposal, Source, Ticket, Touched, Verdict, Write};
use redis_sync::pipeline::{Cause, Rerun};
use redis_sync_local::{BUCKET, Redis, S3, variables};
use redis_sync_tests::connection::connect;
use redis_sync_tests::held::held;
use redis_sync_tests::host::{host, settings};
use serde_json::json;
use std::io::Write as _;
use std::time::{Duration, Instant};

async fn ledger() -> (Redis, Ledger) {
    let redis = Redis::start().await.unwrap();
    let s3 = S3::start(BUCKET).await.unwrap();
    let settings = settings(&variables(&s3, &redis)).unwrap();
    let ledger = Ledger::new(&settings.redis, BUCKET).unwrap();
    (redis, ledger)
}

async fn ticket(ledger: &Ledger) -> Ticket {
    let mut taken = ledger.take_tickets(&["o".to_owned()]).await.unwrap();
    taken.tickets.pop().unwrap()
}

fn proposal(ticket: &Ticket, write: Write) -> Proposal {
    let source = Source::Object {
        etag: "etag".into(),
        version_id: None,
        last_modified: 1,
        fingerprint: "fingerprint".into(),
        basis: "basis".into(),
        plugins: Vec::new(),
        author: None,
    };
    Proposal {
        key: "o".into(),
        ticket: ticket.clone(),
        source,
        write,
        touched: Touched::default(),
    }
}

fn entries(values: Vec<(&str, Value)>) -> Write {
    let entry = |(key, value): (&str, Value)| Entry {
        key: key.into(),
        value,
        ttl_seconds: None,
    };
    Write::Entries(EntrySet::new(values.into_iter().map(entry).collect(), "", None).unwrap())
}

fn text(key: &str, text: &str) -> Write {
    entries(vec![(key, Value::Bytes(text.into()))])
}

async fn commit(ledger: &Ledger, ticket: &Ticket, write: Write) -> Verdict {
    ledger.commit(&mut [proposal(ticket, write)]).await.unwrap()
}

fn is_committed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Committed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_not_repeated_and_an_earlier_ticket_not_committed() {
    let (redis, ledger) = ledger().await;
    let (first, second) = (ticket(&ledger).await, ticket(&ledger).await);
    assert_eq!(
        commit(&ledger, &second, text("k", "2")).await,
        Verdict::Committed
    );
    redis.command(&["SET", "k", "mark"]).await.unwrap();
    assert_eq!(
        commit(&ledger, &second, text("k", "2")).await,
        Verdict::Committed
    );
    assert_eq!(
        commit(&ledger, &first, text("k", "1")).await,
        Verdict::Superseded(0)
    );
    assert_eq!(held(&redis).await, json!({"k": "mark"}));
}

/// Its record evicted, expired or not replicated, a ticket may be older than what is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_a_lost_record_has_forgotten_does_not_count() {
    let (redis, ledger) = ledger().await;
    let old = ticket(&ledger).await;
    redis
        .command(&["DEL", "redis-sync:object:config/o"])
        .await
        .unwrap();
    assert_eq!(
        commit(&ledger, &old, text("k", "old")).await,
        Verdict::Stale(0)
    );
    assert_eq!(held(&redis).await, json!({}));
    let new = ticket(&ledger).await;
    assert!(new.number > old.number);
    assert!(is_committed(&commit(&ledger, &new, text("k", "new")).await));
    // A clock that was ahead on the lost primary.
    let ahead = Ticket {
        number: new.number + 1_000_000,
        ..old
    };
    assert_eq!(
        commit(&ledger, &ahead, text("k", "old")).await,
        Verdict::Stale(0)
    );
    assert_eq!(held(&redis).await, json!({"k": "new"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_not_kept_where_another_worker_has_written_others() {
    let (redis, ledger) = ledger().await;
    assert!(is_committed(
        &commit(&ledger, &ticket(&ledger).await, text("k", "1")).await
    ));
    let (other, keeping) = (ticket(&ledger).await, ticket(&ledger).await);
    assert!(is_committed(&commit(&ledger, &other, text("k", "2")).await));
    assert_eq!(
        commit(&ledger, &keeping, Write::Unchanged).await,
        Verdict::Changed(0)
    );
    assert!(is_committed(
        &commit(&ledger, &ticket(&ledger).await, Write::Unchanged).await
    ));
    for lost in [["DEL", "k"], ["DEL", "redis-sync:owners"]] {
        redis.command(&lost).await.unwrap();
        assert_eq!(
            commit(&ledger, &ticket(&ledger).await, Write::Unchanged).await,
            Verdict::Changed(0)
        );
        assert!(is_committed(
            &commit(&ledger, &ticket(&ledger).await, text("k", "2")).await
        ));
    }
    assert_eq!(held(&redis).await, json!({"k": "2"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_arrive_whole_and_leave_nothing_behind() {
    let (redis, ledger) = ledger().await;
    let item = |number: usize| format!("item {number}").into_bytes();
    let items = |count: usize| (0..count).map(item).collect::<Vec<_>>();
    let long = "0123456789".repeat(100_000);
    let write = entries(vec![
        ("bytes", Value::Bytes(long.clone().into())),
        ("list", Value::List(items(5000))),
        ("set", Value::Set(items(5000))),
        (
            "zset",
            Value::SortedSet(
                items(5000)
                    .into_iter()
                    .zip((0_u16..).map(f64::from))
                    .collect(),
            ),
        ),
        (
            "hash",
            Value::Hash((0..5000).map(|n| (format!("f{n}"), item(n))).collect()),
        ),
    ]);
    assert!(is_committed(
        &commit(&ledger, &ticket(&ledger).await, write).await
    ));
    assert_eq!(redis.command(&["GET", "bytes"]).await.unwrap(), long);
    let mut link = connect(&redis).await;
    let list: Vec<Vec<u8>> = redis::cmd("LRANGE")
        .arg("list")
        .arg(0)
        .arg(-1)
        .query_async(&mut link)
        .await
        .unwrap();
    assert_eq!(list, items(5000));
    for (count, key) in [("SCARD", "set"), ("ZCARD", "zset"), ("HLEN", "hash")] {
        assert_eq!(redis.command(&[count, key]).await.unwrap(), "5000");
        assert_eq!(redis.command(&["TTL", key]).await.unwrap(), "-1");
    }
    assert_eq!(
        redis
            .command(&["ZSCORE", "zset", "item 4999"])
            .await
            .unwrap(),
        "4999"
    );
    assert!(is_committed(
        &commit(&ledger, &ticket(&ledger).await, text("list", "small")).await
    ));
    assert_eq!(held(&redis).await, json!({"list": "small"}));
    let keys = redis
        .command(&["KEYS", "redis-sync:stage:*"])
        .await
        .unwrap();
    assert_eq!(keys, "");
}

/// When Redis begins to answer that it is busy (`busy-reply-threshold`): several times what two shared cores take.
const BUSY: Duration = Duration::from_secs(5);

/// The largest sets, and how long Redis served nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_sets_do_not_block_redis_for_long() {
    let (redis, ledger) = ledger().await;
    let fields = (0..100_000).map(|number| (format!("field {number}"), b"value".to_vec()));
    let hash = entries(vec![("hash", Value::Hash(fields.collect()))]);
    let names: Vec<String> = (0..50_000).map(|number| format!("key {number}")).collect();
    let keys = |value: &str| {
        entries(
            names
                .iter()
                .map(|name| (name.as_str(), Value::Bytes(value.into())))
                .collect(),
        )
    };
    let set = ["CONFIG", "SET", "slowlog-log-slower-than", "1000"];
    redis.command(&set).await.unwrap();
    for (what, write, most) in [
        ("100,000 fields", hash, BUSY / 10),
        ("50,000 keys instead of them", keys("1"), BUSY),
        ("50,000 keys again", keys("2"), BUSY),
    ] {
        redis.command(&["SLOWLOG", "RESET"]).await.unwrap();
        let ticket = ticket(&ledger).await;
        let verdict = commit(&ledger, &ticket, write).await;
        assert!(is_committed(&verdict), "{verdict:?}");
        let blocked = slowest_command(&redis).await;
        let _ = writeln!(
            std::io::stderr(),
            "{what}: Redis was blocked for {blocked:?} at the most"
        );
        assert!(blocked < most, "{what}: {blocked:?}");
    }
    assert_eq!(redis.command(&["GET", "key 49999"]).await.unwrap(), "2");
    assert_eq!(redis.command(&["EXISTS", "hash"]).await.unwrap(), "0");
}

/// How long the slowest command took: Redis serves one at a time.
async fn slowest_command(redis: &Redis) -> Duration {
    let mut link = connect(redis).await;
    type Slow = (i64, i64, u64, Vec<String>, String, String);
    let slow: Vec<Slow> = redis::cmd("SLOWLOG")
        .arg("GET")
        .arg(-1)
        .query_async(&mut link)
        .await
        .unwrap();
    let longest = slow.iter().map(|(_, _, micros, ..)| *micros).max();
    Duration::from_micros(longest.unwrap_or_default())
}

/// The round trips of one object and of a batch, as reads of Redis' sockets.
#[tokio::test(flavor = "multi_thread")]
async fn tickets_and_commits_are_pipelined() {
    let (redis, s3) = (
        Redis::start().await.unwrap(),
        S3::start(BUCKET).await.unwrap(),
    );
    let host = host(&s3, &variables(&s3, &redis)).unwrap();
    let keys: Vec<String> = (0..100).map(|number| format!("object {number}")).collect();
    for (what, keys, most) in [
        ("the first object with its connection", &keys[..1], 20),
        ("one object", &keys[..1], 3),
        ("100 objects", &keys[..], 105),
    ] {
        for key in keys {
            s3.put(key, what);
        }
        let before = reads(&redis).await;
        let deadline = Instant::now() + Duration::from_secs(25);
        let reports = host
            .sync(keys.to_vec(), Cause::Event, Rerun::IfChanged, deadline)
            .await;
        assert!(reports.iter().all(|report| report.failure().is_none()));
        let after = reads(&redis).await;
        // What the question itself costs comes off.
        let reads = 2 * after - before - reads(&redis).await;
        let _ = writeln!(
            std::io::stderr(),
            "{what}: Redis read {reads} times from its sockets"
        );
        assert!(reads <= most, "{what}: {reads}");
    }
}

async fn reads(redis: &Redis) -> u64 {
    let info = redis.command(&["INFO", "stats"]).await.unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("total_reads_processed:"));
    line.unwrap().trim().parse().unwrap()
}
