//! Messages, manifests and requests that are meant to do harm: nothing of them reaches beyond the
//! objects they name.

use crate::answers::{message, outcome};
use crate::environment::{assert_held, change_plugins, environment};
use crate::objects::one;
use redis_sync_local::{Environment, event};
use serde_json::{Value, json};
use std::time::Duration;

/// Lambda's limit for the payload of a synchronous invocation, in bytes.
const PAYLOAD: usize = 6_000_000;

/// What a hostile message may make the function hold besides itself, in MiB.
const MEMORY_MIB: u64 = 250;

async fn assert_healthy(environment: &Environment, key: &str) {
    let report = environment.upload(&format!("flags/{key}"), one(key)).await;
    assert_eq!(outcome(&report.unwrap()), "synced");
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// Fails where problems are kept, told or logged without a bound: 1.2 GiB, an answer of 290 MB.
#[tokio::test(flavor = "multi_thread")]
async fn millions_of_broken_records_cost_little_and_are_counted() {
    let environment = environment(&[]).await;
    assert_healthy(&environment, "before").await;
    let records = PAYLOAD / 2;
    let sevens = format!(r#"{{"Records":[{}7]}}"#, "7,".repeat(records - 1));
    let answer = environment
        .function
        .api()
        .invoke(sevens, Duration::from_secs(60));
    let why = message(answer.await);
    assert!(why.len() < 50_000, "{}", why.len());
    let more = format!("and {} more records that cannot be read", records - 20);
    assert!(why.contains(&more), "{}", &why[why.len() - 200..]);

    let body = format!(r#"{{"Records":[{}7]}}"#, "7,".repeat(100_000));
    let messages: Vec<Value> = (0..10)
        .map(|id| json!({"messageId": id.to_string(), "eventSource": "aws:sqs", "body": body}))
        .collect();
    let logged = environment.function.logs().len();
    let answer = environment
        .function
        .invoke(json!({"Records": messages}))
        .await;
    assert_eq!(
        answer.unwrap()["batchItemFailures"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
    let lines = environment.function.logs().len() - logged;
    assert!(lines < 10 * 25, "{lines} lines");
    assert_healthy(&environment, "after").await;
    let peak = environment.function.peak_memory_mib().unwrap();
    assert!(peak < MEMORY_MIB, "{peak} MiB");
}

/// Fails where text from outside enters an error as it is.
#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_is_clipped_in_every_answer() {
    let environment = environment(&[]).await;
    let long = "x".repeat(2_000_000);
    let payloads = [
        json!({"Records": [{"eventSource": long}]}),
        json!({"Records": [{"eventSource": "aws:s3", "s3": long}]}),
        json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": long}}),
        json!({"sync": {long.as_str(): true}}),
        json!({"read": {"k": long}}),
        json!({"invocationSchemaVersion": long}),
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "config"}, "object": {"key": long}}}]}),
    ];
    for payload in payloads {
        let answer = environment.function.invoke(&payload).await;
        let why = message(answer);
        assert!(why.len() < 5000, "{} bytes of {}", why.len(), &why[..200]);
    }
    assert_healthy(&environment, "k").await;
}

/// Fails where such a key is recorded: its failure would be counted for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_longer_than_any_in_s3_is_refused_and_leaves_nothing() {
    let environment = environment(&[]).await;
    let long = "k".repeat(1025);
    let why = message(
        environment
            .function
            .invoke(event::created("config", &long))
            .await,
    );
    assert!(
        why.contains("a key has 1025 bytes, more than the 1024"),
        "{why}"
    );
    let status = environment
        .function
        .invoke(json!({"status": {}}))
        .await
        .unwrap();
    assert_eq!(status["failed"], 0, "{status}");
    assert_eq!(environment.redis.command(&["DBSIZE"]).await.unwrap(), "0");
}

/// Fails where braces are compiled as they come: the process ended on every invocation.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_braces_fails_what_it_routes_and_ends_nothing() {
    let environment = environment(&[]).await;
    assert_healthy(&environment, "before").await;
    let route = "[[route]]\nprefix = \"\"\nplugin = \"flags.wasm\"\nkeys = ";
    let braces = format!("{route}[\"{}\"]", "{".repeat(20_000));
    let alternatives = format!("{route}[{}]", "\"{a,b,c,d,e,f,g,h}*\",".repeat(15_000));
    let deep = format!("{route}{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for manifest in [braces, alternatives, deep] {
        change_plugins(
            &environment,
            "plugins/routes.toml",
            Some(manifest.as_bytes()),
        )
        .await;
        let before = environment.function.processor_time().unwrap();
        let why = message(environment.upload("flags/x", one("x")).await);
        assert!(why.contains("`routes.toml` is not valid"), "{why}");
        let took = environment.function.processor_time().unwrap() - before;
        assert!(took < Duration::from_secs(10), "{took:?} for {why}");
    }
    assert_held(&environment, json!({"before": "v"})).await;
    change_plugins(&environment, "plugins/routes.toml", None).await;
    assert_healthy(&environment, "after").await;
}

/// Fails where a route is taken at its word.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_does_not_raise_its_limits_above_the_ceilings() {
    let environment = environment(&[
        ("FUEL_CEILING", "5000000001"),
        ("TIME_CEILING_MS", "10001"),
        ("MEMORY_CEILING_MIB", "257"),
    ])
    .await;
    for (limit, allowed, refused) in [
        ("fuel", "5000000001", "5000000002"),
        ("time_ms", "10001", "10002"),
        ("memory_mib", "257", "258"),
    ] {
        let manifest = |value: &str| {
            format!("[[route]]\nprefix = \"\"\nplugin = \"flags.wasm\"\n{limit} = {value}\n")
        };
        let route = manifest(refused);
        change_plugins(&environment, "plugins/routes.toml", Some(route.as_bytes())).await;
        let why = message(environment.upload("flags/x", one("x")).await);
        assert!(
            why.contains(&format!("its route has {limit} = {refused}, more than")),
            "{why}"
        );
        let route = manifest(allowed);
        change_plugins(&environment, "plugins/routes.toml", Some(route.as_bytes())).await;
        assert_healthy(&environment, "x").await;
        environment.remove("flags/x").await.unwrap();
    }
}

/// Fails where whoever may invoke the function reads all of Redis.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_redis_sync_wrote_is_handed_out() {
    let environment = environment(&[]).await;
    assert_healthy(&environment, "ours").await;
    environment
        .redis
        .command(&["SET", "theirs", "secret"])
        .await
        .unwrap();
    let read = async |environment: &Environment, key: &str| {
        environment.function.invoke(json!({"read": key})).await
    };
    assert_eq!(read(&environment, "ours").await.unwrap(), "v");
    assert_eq!(read(&environment, "theirs").await.unwrap(), Value::Null);
    for operation in ["read", "explain"] {
        let bookkeeping = json!({operation: "redis-sync:owners"});
        let why = message(environment.function.invoke(&bookkeeping).await);
        assert!(
            why.contains("`redis-sync:owners` is a key of the bookkeeping"),
            "{why}"
        );
    }
    let any = crate::environment::environment(&[("READ_ANY", "true")]).await;
    any.redis
        .command(&["SET", "theirs", "secret"])
        .await
        .unwrap();
    assert_eq!(read(&any, "theirs").await.unwrap(), "secret");
    message(read(&any, "redis-sync:owners").await);
}

/// Whatever it is that makes a value large, it is not read to find that out.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_to_be_handed_out_is_never_read() {
    let environment = environment(&[("READ_ANY", "true")]).await;
    let many = "for round = 1, 400 do local all = {} for place = 1, 5000 do all[place] = round * 5000 + place end";
    let element = "local text = string.rep('x', 40000000)";
    for script in [
        format!("{many} redis.call('SADD', 'set', unpack(all)) end"),
        format!("{many} redis.call('RPUSH', 'list', unpack(all)) end"),
        format!("{element} redis.call('HSET', 'hash', 'a', text, 'b', text)"),
        format!("{element} redis.call('ZADD', 'sorted', 1, text)"),
        format!("{element} redis.call('SET', 'bytes', text)"),
    ] {
        let done = environment.redis.command(&["EVAL", &script, "0"]).await;
        done.unwrap();
    }
    let before = environment.function.peak_memory_mib().unwrap();
    for key in ["set", "list", "hash", "sorted", "bytes"] {
        let why = message(environment.function.invoke(json!({"read": key})).await);
        assert!(why.contains("more than the 5242880"), "{key}: {why}");
    }
    let taken = environment.function.peak_memory_mib().unwrap() - before;
    assert!(taken < 16, "{taken} MiB");
}

/// Fails where an answer is as large as what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_larger_than_five_mebibytes() {
    let environment = environment(&[]).await;
    environment.s3.put("large", "x".repeat(6 << 20));
    environment
        .function
        .invoke(event::created("config", "large"))
        .await
        .unwrap();
    let why = message(environment.function.invoke(json!({"read": "large"})).await);
    assert!(
        why.contains("6291456 bytes as JSON, more than the 5242880"),
        "{why}"
    );

    let tasks: Vec<Value> = (0..20_000)
        .map(|id| json!({"taskId": format!("task {id}"), "s3Key": "%FF", "s3VersionId": null, "s3Bucket": "config"}))
        .collect();
    let job = json!({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j"}, "tasks": tasks});
    let answer = environment.function.invoke(job).await.unwrap();
    assert_eq!(answer["results"].as_array().unwrap().len(), 20_000);
    assert!(size(&answer) <= 5 << 20, "{}", size(&answer));
}

/// Fails where the SDK is asked for what it panics at or cannot name.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_names_what_no_bucket_has_fails_alone_and_leaves_nothing() {
    let environment = environment(&[]).await;
    environment.s3.put("a", "1");
    environment.s3.put("b", "2");
    let long = "x".repeat(70_000);
    let created = |key: &str| event::created("config", key).to_string();
    let bodies = [
        created("a"),
        json!({"sync": {"prefix": long}}).to_string(),
        json!({"sync": {"after": long}}).to_string(),
        created(" "),
        created("\u{85}"),
        created("b"),
    ];
    let message = |(number, body): (usize, &String)| {
        json!({"messageId": number.to_string(), "eventSource": "aws:sqs", "body": body,
            "eventSourceARN": "arn:aws:sqs:eu-west-2:1:q"})
    };
    let records: Vec<Value> = bodies.iter().enumerate().map(message).collect();
    let batch = json!({"Records": records});
    let answer = environment.function.invoke(batch).await.unwrap();
    let failed: Vec<&str> = answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["1", "2", "3", "4"], "{answer}");
    assert_held(&environment, json!({"a": "1", "b": "2"})).await;
    let status = environment.function.invoke(json!({"status": {}})).await;
    assert_eq!(status.unwrap()["failed"], 0);
}

/// Fails where the place of each route is looked for from the beginning: a minute, on every invocation.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_blank_lines_and_small_routes_is_read_in_time() {
    let environment = environment(&[]).await;
    let routes: String = (0..9_990)
        .map(|number| format!("[[route]]\nprefix=\"{number}\"\nplugin=\"p.wasm\"\n"))
        .collect();
    let manifest = "\n".repeat(500_000) + &routes;
    environment.s3.put("plugins/routes.toml", &manifest);
    environment.upload("x", "1").await.unwrap();
    let took = environment.function.processor_time().unwrap();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_held(&environment, json!({"x": "1"})).await;
}
