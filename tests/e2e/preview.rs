//! A preview tells what a candidate would change, and writes nothing.

use crate::answers::message;
use crate::dry_run::everything;
use crate::environment::environment;
use crate::objects::{failing, many, one, yields};
use redis_sync_local::{Environment, Operation};
use redis_sync_tests::connection::connect;
use redis_sync_tests::guest;
use serde_json::{Value, json};

const CANDIDATE: &str = "plugins/.candidates/new.wasm";

/// A candidate that puts `new` before every key.
fn candidate(environment: &Environment) {
    environment
        .s3
        .put(CANDIDATE, guest::scripted_variant("new"));
}

async fn preview(environment: &Environment, more: Value) -> Value {
    let mut request = json!({"module": CANDIDATE, "prefix": "flags/"});
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    environment
        .function
        .invoke(json!({"preview": request}))
        .await
        .unwrap()
}

/// Keys and kinds of what would change in the only object that would.
fn changes(answer: &Value) -> Vec<(String, String)> {
    let objects = answer["objects"].as_array().unwrap();
    let changed: Vec<&Value> = objects
        .iter()
        .filter(|object| object["outcome"] == "changed")
        .collect();
    assert_eq!(changed.len(), 1, "{answer}");
    let changes = changed[0]["changes"].as_array().unwrap();
    let text = |change: &Value, member: &str| change[member].as_str().unwrap().to_owned();
    changes
        .iter()
        .map(|change| (text(change, "key"), text(change, "change")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_what_would_change_and_writes_nothing() {
    let environment =
        environment(&[("COMPILED_CACHE_KEY", "0123456789abcdef0123456789abcdef")]).await;
    environment.upload("flags/a", one("k")).await.unwrap();
    environment.upload("other/a", "as it is").await.unwrap();
    message(environment.upload("flags/bad", failing()).await);
    environment.s3.put("flags/worse", "no JSON");
    candidate(&environment);
    let (redis, bucket) = (everything(&environment.redis).await, environment.s3.keys());
    environment.s3.reset_counts();
    let answer = preview(&environment, json!({})).await;
    assert_eq!(answer["plugin"], "flags.wasm");
    assert_eq!(answer["next"], Value::Null);
    assert_eq!(
        answer["counts"],
        json!({"changed": 1, "unchanged": 0, "failed": 2})
    );
    assert_eq!(
        answer["keys"],
        json!({"added": 1, "changed": 0, "removed": 1})
    );
    let pair = |key: &str, change: &str| (key.to_owned(), change.to_owned());
    assert_eq!(
        changes(&answer),
        [pair("k", "removed"), pair("newk", "added")]
    );
    let objects = answer["objects"].as_array().unwrap();
    for object in objects {
        assert!(object["fuel"].as_u64().unwrap() > 1000, "{object}");
        assert_eq!(object["fuel_limit"], 5_000_000_000_u64);
    }
    assert_eq!(
        (&objects[1]["key"], &objects[1]["fails_now"]),
        (&json!("flags/bad"), &json!(true))
    );
    assert_eq!(
        (&objects[2]["key"], &objects[2]["fails_now"]),
        (&json!("flags/worse"), &json!(false))
    );
    assert!(
        objects[1]["error"]
            .as_str()
            .unwrap()
            .contains("plugin `flags.wasm` failed on `flags/bad`")
    );
    assert_eq!(everything(&environment.redis).await, redis);
    assert_eq!(environment.s3.keys(), bucket);
    assert_eq!(environment.s3.count(Operation::PutObject), 0);

    // Only who says that it will be published has its machine code kept.
    preview(&environment, json!({"keep_compiled": true})).await;
    assert_eq!(environment.s3.keys().len(), bucket.len() + 1);
    assert_eq!(everything(&environment.redis).await, redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_compares_with_what_redis_holds_by_field_and_tells_no_values() {
    let environment = environment(&[]).await;
    let hash = json!({"h": {"hash": {"kept": "1", "changed": "secret"}}, "s": {"set": ["secret"]}});
    environment.upload("flags/a", yields(&hash)).await.unwrap();
    environment.s3.put(CANDIDATE, guest::scripted());
    let answer = preview(&environment, json!({})).await;
    assert_eq!(
        answer["counts"],
        json!({"changed": 0, "unchanged": 1, "failed": 0})
    );

    environment
        .redis
        .command(&["HSET", "h", "changed", "other secret", "gone", "x"])
        .await
        .unwrap();
    environment
        .redis
        .command(&["SADD", "s", "another secret"])
        .await
        .unwrap();
    let answer = preview(&environment, json!({})).await;
    let change = &answer["objects"][0]["changes"];
    assert_eq!(
        change[0]["elements"],
        json!({"added": 0, "changed": 1, "removed": 1})
    );
    let field =
        json!({"field": "changed", "change": "changed", "bytes_before": 12, "bytes_after": 6});
    assert_eq!(change[0]["fields"][0], field);
    assert_eq!(
        change[1]["elements"],
        json!({"added": 0, "changed": 0, "removed": 1})
    );
    assert!(!answer.to_string().contains("secret"), "{answer}");
    let shown = preview(&environment, json!({"show_values": true})).await;
    assert_eq!(
        shown["objects"][0]["changes"][0]["fields"][0]["before"],
        "other secret"
    );
    assert_eq!(
        shown["objects"][0]["changes"][1]["fields"][0]["field"],
        "another secret"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_refuses_a_key_of_another_object_and_keeps_quiet_about_foreign_ones() {
    let environment = environment(&[]).await;
    environment.upload("flags/a", one("k")).await.unwrap();
    environment.upload("newk", "as it is").await.unwrap();
    candidate(&environment);
    let answer = preview(&environment, json!({})).await;
    let error = answer["objects"][0]["error"].as_str().unwrap();
    assert_eq!(
        error,
        "the Redis key `newk` belongs to the object `config/newk`"
    );

    environment.remove("newk").await.unwrap();
    environment
        .redis
        .command(&["SET", "newk", "foreign secret"])
        .await
        .unwrap();
    let answer = preview(&environment, json!({"show_values": true})).await;
    let change = &answer["objects"][0]["changes"][1];
    assert_eq!(
        (&change["taken_over"], &change["bytes_before"]),
        (&json!(true), &Value::Null)
    );
    assert!(!answer.to_string().contains("foreign"), "{answer}");

    // What no entry can be is there all the same, and would be taken over.
    for command in [
        ["HSET", "newk", "field", "v"].as_slice(),
        ["XADD", "newk", "*", "field", "v"].as_slice(),
    ] {
        environment.redis.command(&["DEL", "newk"]).await.unwrap();
        let mut written = redis::cmd(command[0]);
        for word in &command[1..] {
            written.arg(match *word {
                "field" => b"\xac\xed".as_slice(),
                word => word.as_bytes(),
            });
        }
        let mut connection = connect(&environment.redis).await;
        written.exec_async(&mut connection).await.unwrap();
        let answer = preview(&environment, json!({})).await;
        let change = &answer["objects"][0]["changes"][1];
        assert_eq!(
            (&change["change"], &change["taken_over"]),
            (&json!("changed"), &json!(true)),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_goes_page_by_page_and_a_sample_is_always_the_same() {
    let environment = environment(&[]).await;
    candidate(&environment);
    // 20 objects whose changes are more than an answer has.
    for number in 0..20 {
        let key = format!("flags/{number:02}");
        let name = format!("{key}{}", "k".repeat(3000));
        let own = many(&name, 120, "v");
        environment.s3.put(&key, own);
    }
    let (mut pages, mut seen, mut after) = (0, Vec::new(), String::new());
    loop {
        let answer = preview(&environment, json!({"after": after})).await;
        assert!(answer.to_string().len() < 5 << 20);
        pages += 1;
        for object in answer["objects"].as_array().unwrap() {
            seen.push(object["key"].as_str().unwrap().to_owned());
            assert!(object["left_out"].as_u64().unwrap() > 0);
        }
        match answer["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert!(pages > 1, "{pages}");
    let expected: Vec<String> = (0..20).map(|number| format!("flags/{number:02}")).collect();
    assert_eq!(seen, expected);

    let keys = |answer: &Value| -> Vec<Value> {
        answer["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|object| object["key"].clone())
            .collect()
    };
    let sample = preview(&environment, json!({"sample": 5})).await;
    assert_eq!(keys(&sample).len(), 5);
    let again = preview(&environment, json!({"sample": 5})).await;
    assert_eq!(keys(&sample), keys(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_previewed_is_told() {
    let environment = environment(&[]).await;
    environment.s3.put("plugins/.candidates/text.wasm", "hello");
    let asked = async |request: Value| {
        message(
            environment
                .function
                .invoke(json!({"preview": request}))
                .await,
        )
    };
    let error = asked(json!({"module": "flags/a.wasm", "prefix": "flags/"})).await;
    assert!(
        error.contains("`flags/a.wasm` is no module: its key begins with `plugins/`"),
        "{error}"
    );
    let error = asked(json!({"module": CANDIDATE, "prefix": "flags/"})).await;
    assert!(
        error.contains("there is no module `plugins/.candidates/new.wasm`"),
        "{error}"
    );
    let error = asked(json!({"module": "plugins/.candidates/text.wasm", "prefix": "flags/"})).await;
    assert!(
        error.contains("plugin `flags.wasm` cannot run: "),
        "{error}"
    );
    candidate(&environment);
    let error = asked(json!({"module": CANDIDATE})).await;
    assert!(error.contains("name a prefix"), "{error}");
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"a/\"\nplugin = \"flags.wasm\"\n",
    );
    let error = asked(json!({"module": CANDIDATE, "prefix": "flags/"})).await;
    assert!(
        error.contains("has no route `flags/`; it has `a/`"),
        "{error}"
    );
}
