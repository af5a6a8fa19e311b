//! What the log and the metrics say of what was done, and what they never do.

use crate::answers::{message, outcome};
use crate::environment::environment;
use crate::objects::{failing, one, yields};
use redis_sync_local::{Environment, event};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The lines of the log, and those of metrics, each as JSON.
pub(crate) fn lines(environment: &Environment) -> (Vec<Value>, Vec<Value>) {
    let lines = environment.function.logs().into_iter();
    lines
        .map(|line| serde_json::from_str::<Value>(&line).unwrap())
        .partition(|line| line.get("_aws").is_none())
}

fn is_of<'a>(message: &'a str) -> impl Fn(&&Value) -> bool + 'a {
    move |line| line["message"] == message
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objects_line_has_all_that_decided_it() {
    let environment = environment(&[]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    let (logged, _) = lines(&environment);
    let lines: Vec<&Value> = logged.iter().filter(is_of("object done")).collect();
    let [line] = lines[..] else {
        panic!("{lines:#?}");
    };
    for (member, value) in [
        ("level", json!("INFO")),
        ("service", json!("redis-sync")),
        ("function_name", json!("redis-sync")),
        ("cold_start", json!(true)),
        (
            "xray_trace_id",
            json!("1-00000000-000000000000000000000000"),
        ),
        ("bucket", json!("config")),
        ("object", json!("flags/a.json")),
        ("outcome", json!("synced")),
        ("plugin", json!("flags.wasm")),
        ("entries", json!(1)),
        ("bytes", json!(one("a").len())),
    ] {
        assert_eq!(line[member], value, "{member} of {line}");
    }
    for number in [
        "fuel",
        "freshness_ms",
        "duration_ms",
        "ticket_ms",
        "load_ms",
        "read_ms",
        "run_ms",
        "commit_ms",
    ] {
        assert!(
            line[number].as_f64().is_some_and(|it| it >= 0.0),
            "{number} of {line}"
        );
    }
    assert_eq!(line["digest"].as_str().unwrap().len(), 64);
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

/// Several invocations in one process: the identifiers and the counts of each are its own.
#[tokio::test(flavor = "multi_thread")]
async fn every_line_and_count_belongs_to_its_invocation() {
    let environment = environment(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    let log = json!({"do": "log", "lines": 1}).to_string();
    let invocations = (1..=6_usize).map(|number| {
        let keys: Vec<String> = (0..number)
            .map(|key| format!("flags/{number}-{key}"))
            .collect();
        for key in &keys {
            environment.s3.put(key, &log);
        }
        let bucket = environment.s3.bucket();
        let events = keys.iter().map(|key| event::created(bucket, key));
        environment.function.invoke(event::batch(events))
    });
    for answer in futures::future::join_all(invocations).await {
        assert_eq!(answer.unwrap()["status"], "success");
    }
    let (logged, metrics) = lines(&environment);
    // The number that an object's key begins with is how many its invocation had.
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in logged.iter().filter(|line| line["object"].is_string()) {
        let request = line["function_request_id"].as_str().unwrap();
        said.entry(request)
            .or_default()
            .push(line["object"].as_str().unwrap());
    }
    assert_eq!(said.len(), 6, "{said:#?}");
    let mut counts = Vec::new();
    for (request, objects) in said {
        let number: usize = objects[0]["flags/".len()..][..1].parse().unwrap();
        let own = format!("flags/{number}-");
        assert!(
            objects.iter().all(|object| object.starts_with(&own)),
            "{objects:?}"
        );
        // The object's line, and its plugin's.
        assert_eq!(objects.len(), 2 * number, "{objects:?}");
        let mut of_request = metrics
            .iter()
            .filter(|line| line["function_request_id"] == request);
        let counted = of_request
            .find(|line| line["Duration"].is_number())
            .unwrap();
        assert_eq!(counted["ObjectsSynced"], number);
        counts.push(number);
    }
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    let cold = metrics.iter().filter(|line| line["ColdStart"].is_number());
    assert_eq!(cold.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_told_once_with_its_reason() {
    let environment = environment(&[]).await;
    environment
        .upload("flags/good.json", one("a"))
        .await
        .unwrap();
    let why = message(environment.upload("flags/bad.json", failing()).await);
    assert!(why.contains("failed on `flags/bad.json`: no"), "{why}");
    let (logged, metrics) = lines(&environment);
    let told = logged
        .iter()
        .filter(|line| line.to_string().contains("failed on `flags/bad.json`"));
    let told: Vec<&Value> = told.collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        (&told[0]["level"], &told[0]["reason"]),
        (&json!("ERROR"), &json!("plugin"))
    );
    let ended = logged.iter().find(is_of("invocation failed")).unwrap();
    assert_eq!(ended["error_type"], "ObjectsFailed");
    let dependencies = logged.iter().filter(|line| {
        line["target"]
            .as_str()
            .unwrap()
            .starts_with("lambda_runtime")
    });
    assert_eq!(dependencies.count(), 0);
    let last = metrics
        .iter()
        .rfind(|line| line["Duration"].is_number())
        .unwrap();
    assert_eq!(
        (&last["ObjectsFailed"], &last["InvocationsFailed"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_level_drops_lines_and_no_metrics() {
    let environment = environment(&[("AWS_LAMBDA_LOG_LEVEL", "WARN")]).await;
    environment.upload("flags/a.json", one("a")).await.unwrap();
    let (logged, metrics) = lines(&environment);
    assert_eq!(logged, Vec::<Value>::new());
    assert!(
        metrics.iter().any(|line| line["Duration"].is_number()),
        "{metrics:#?}"
    );
    assert!(
        metrics.iter().all(|line| line["level"] == "WARN"),
        "{metrics:#?}"
    );
}

/// Its upload is what is measured, not what is made again of it.
#[tokio::test(flavor = "multi_thread")]
async fn freshness_is_measured_once_an_upload_and_by_route_where_the_manifest_names_it() {
    let environment = environment(&[]).await;
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n",
    );
    let report = environment.upload("flags/a.json", one("a")).await.unwrap();
    assert_eq!(outcome(&report), "synced");
    environment.redis.command(&["DEL", "a"]).await.unwrap();
    let event = event::created(environment.s3.bucket(), "flags/a.json");
    let report = environment.function.invoke(event).await.unwrap();
    assert_eq!(outcome(&report), "synced", "it is healed");
    environment.s3.put("flags/b.json", one("b"));
    let sync = environment
        .function
        .invoke(json!({"sync": {}}))
        .await
        .unwrap();
    assert_eq!(
        sync["counts"]["synced"], 1,
        "an object that was there before"
    );
    let (_, metrics) = lines(&environment);
    let fresh: Vec<&Value> = metrics
        .iter()
        .filter(|line| line["Freshness"].is_number())
        .collect();
    assert_eq!(fresh.len(), 1, "{fresh:#?}");
    assert_eq!(fresh[0]["Route"], "flags/");
    assert!(
        metrics
            .iter()
            .any(|line| line["Route"] == "flags/" && line["FuelHeadroom"].is_number())
    );
}

/// A marker in every place where something is that nobody but its owner may see. Variables that hold
/// secrets are looked for in whatever any test's function writes.
#[tokio::test(flavor = "multi_thread")]
async fn neither_values_nor_settings_nor_metadata_are_written_with_everything_on() {
    let environment = environment(&[("RUST_LOG", "trace")]).await;
    environment.s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\nsettings = { token = \"marker-setting\" }\n",
    );
    let good = yields(
        &json!({"visible": {"bytes": "marker-value"}, "h": {"hash": {"marker-field": "marker-value"}}}),
    );
    environment.s3.put_with(
        "flags/a.json",
        &good,
        "text/marker-type",
        &[("team", "marker-metadata")],
    );
    environment.s3.put("flags/b.json", "{\"do\": \"marker-body");
    for key in ["flags/a.json", "flags/b.json"] {
        // The second one fails.
        let _ = environment
            .function
            .invoke(event::created(environment.s3.bucket(), key))
            .await;
    }
    let value = environment
        .function
        .invoke(json!({"read": "visible"}))
        .await
        .unwrap();
    assert_eq!(value, "marker-value");
    let written = environment.function.logs();
    assert!(written.iter().any(|line| line.contains("object done")));
    let leaks: Vec<&String> = written
        .iter()
        .filter(|line| line.contains("marker-"))
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
