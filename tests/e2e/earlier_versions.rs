//! What versions before this one have left in Redis: records with a text for everything. They are read, until the
//! next commit of their object writes them anew.

use crate::answers::{counted, counts, outcome};
use crate::environment::{assert_held, environment, sync};
use crate::objects::one;
use redis_sync_local::{Environment, Operation};
use serde_json::{Value, json};

/// Tickets as they were handed out then.
const TICKET: &str = "1763868000000007";
const TICKET_BEFORE: &str = "1763867000000003";

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

async fn command(environment: &Environment, command: &[&str]) -> String {
    environment.redis.command(command).await.unwrap()
}

/// The record of an object, as an earlier version has written it with every commit.
async fn record(environment: &Environment, object: &str, fields: &[(&str, &str)]) {
    let name = format!("redis-sync:object:config/{object}");
    let of_all = [
        ("issued", TICKET),
        ("ticket", TICKET),
        ("digest", DIGEST),
        ("written", TICKET),
    ];
    let fields = of_all.iter().chain(fields);
    let words = fields.flat_map(|(name, value)| [*name, *value]);
    let words: Vec<&str> = ["HSET", &name].into_iter().chain(words).collect();
    command(environment, &words).await;
}

/// That of an object that is in the bucket and yields some keys; and these.
async fn live(environment: &Environment, object: &str, etag: &str, keys: &[&str]) {
    let list = json!(keys).to_string();
    let plugins = json!([{"name": "flags.wasm", "sha256": DIGEST}]).to_string();
    let fields = [
        ("fingerprint", DIGEST),
        ("basis", DIGEST),
        ("etag", etag),
        ("version_id", "v7"),
        ("last_modified", "1763868000000"),
        ("plugins", &plugins),
        ("written_at", "1763868000123"),
        ("keys", &list),
    ];
    record(environment, object, &fields).await;
    command(
        environment,
        &["ZADD", "redis-sync:index:config", "0", object],
    )
    .await;
    for key in keys {
        command(environment, &["SET", key, "old"]).await;
        own(environment, key, TICKET, object).await;
    }
}

/// That of an object that was deleted: a tombstone.
async fn gone(environment: &Environment, object: &str) {
    let fields = [
        ("fingerprint", ""),
        ("basis", ""),
        ("etag", ""),
        ("version_id", ""),
        ("last_modified", ""),
        ("plugins", "[]"),
        ("written_at", "1763868000123"),
        ("keys", "[]"),
    ];
    record(environment, object, &fields).await;
    let name = format!("redis-sync:object:config/{object}");
    command(environment, &["EXPIRE", &name, "1209600"]).await;
}

/// Who has written a key, as an earlier version has noted it: with a ticket in decimal.
async fn own(environment: &Environment, key: &str, ticket: &str, object: &str) {
    let owner = format!("{ticket} config/{object}");
    command(environment, &["HSET", "redis-sync:owners", key, &owner]).await;
}

async fn ask(environment: &Environment, request: Value) -> Value {
    environment.function.invoke(request).await.unwrap()
}

/// Fails where only the fields of this version are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_has_recorded_is_counted_and_explained() {
    let environment = environment(&[]).await;
    live(&environment, "flags/a", "0123456789abcdef", &["k", "l"]).await;
    live(&environment, "flags/b", "fedcba9876543210-2", &[]).await;
    gone(&environment, "flags/gone").await;
    let status = ask(&environment, json!({"status": {}})).await;
    assert_eq!(
        (&status["objects"], &status["failed"]),
        (&json!(2), &json!(0))
    );
    let expected = json!({
        "key": "k", "object": "config/flags/a", "etag": "0123456789abcdef", "version_id": "v7",
        "plugins": [{"name": "flags.wasm", "sha256": DIGEST}], "written_at": 1_763_868_000_123_u64,
    });
    assert_eq!(ask(&environment, json!({"explain": "k"})).await, expected);
    assert_eq!(ask(&environment, json!({"read": "l"})).await, "old");
}

/// A key was left when the object was deleted, as a failover leaves one. Fails where the record is not known for a
/// deletion's: the object is then taken for one that has fallen out of the index, and looked for in the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_an_earlier_version_has_recorded_is_one() {
    let environment = environment(&[]).await;
    gone(&environment, "flags/gone").await;
    command(&environment, &["SET", "left", "old"]).await;
    own(&environment, "left", TICKET_BEFORE, "flags/gone").await;
    for dry_run in [true, false] {
        let report = sync(&environment, json!({"dry_run": dry_run})).await;
        assert_eq!(counts(&report), counted([]), "{report}");
        assert_eq!(report["stray_keys"], 1, "{report}");
    }
    assert_held(&environment, json!({})).await;
    let owners = command(&environment, &["HLEN", "redis-sync:owners"]).await;
    let reads = environment.s3.count_of(Operation::GetObject, "flags/gone");
    assert_eq!((owners.as_str(), reads), ("0", 0));
}

/// What an object had and has no more is removed; of the texts nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_has_recorded_is_written_anew_by_the_next_commit() {
    let environment = environment(&[]).await;
    live(&environment, "flags/a", "0123456789abcdef", &["k", "l"]).await;
    live(&environment, "flags/deleted", "0123456789abcdef", &["m"]).await;
    gone(&environment, "flags/gone").await;
    for object in ["flags/a", "flags/gone"] {
        let key = if object == "flags/a" { "k" } else { "n" };
        let report = environment.upload(object, one(key)).await.unwrap();
        assert_eq!(outcome(&report), "synced", "{object}");
        let name = format!("redis-sync:object:config/{object}");
        let fields = command(&environment, &["HKEYS", &name]).await;
        let known = ["ticket", "s", "e", "p", "k", "by", "ip"];
        let unknown = fields.lines().filter(|field| !known.contains(field));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&str>::new(), "{object}");
        assert_eq!(command(&environment, &["TTL", &name]).await, "-1");
    }
    let report = sync(&environment, json!({})).await;
    let expected = counted([("unchanged", 2), ("deleted", 1)]);
    assert_eq!(counts(&report), expected, "{report}");
    assert_held(&environment, json!({"k": "v", "n": "v"})).await;
}
