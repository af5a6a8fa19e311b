//! One budget for the process: whatever objects and plugins take, it stays below, and all are served.
#![expect(clippy::print_stdout, reason = "what is measured is shown")]

use crate::answers::message;
use crate::objects::texts;
use redis_sync_local::{BUCKET, Environment, InvokeError, event};
use redis_sync_tests::confined::Confined;
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::time::Duration;

/// What a function of 1024 MiB has for all that it does.
const BUDGET_MIB: u64 = 896;

/// Healthy objects beside those that take much.
const HEALTHY: usize = 6;

/// A program that takes so many MiB and writes to each page of them.
fn takes(mib: usize) -> Vec<u8> {
    let pages = mib * 16;
    let text = format!(
        r#"(module (memory (export "memory") 1)
          (func (export "_start")
            (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))
            (memory.fill (i32.const 65536) (i32.const 1) (i32.const {}))))"#,
        pages * 65536
    );
    wat::parse_str(text).unwrap()
}

/// A program that writes what it reads.
const COPIES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "_start")
    (loop
      (i32.store (i32.const 0) (i32.const 65536))
      (i32.store (i32.const 4) (i32.const 65536))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
      (br_if 0 (i32.load (i32.const 8))))))"#;

/// Uploads it as the plugin of objects that are entries documents.
fn upload_copies(environment: &Environment) {
    let routes = r#"[[route]]
        prefix = "copies/"
        plugin = "copies.wasm"
        output = "entries"
        [[route]]
        prefix = "healthy/"
        plugin = "healthy.wasm""#;
    let s3 = &environment.s3;
    s3.put("plugins/copies.wasm", wat::parse_str(COPIES).unwrap());
    s3.put("plugins/routes.toml", routes);
}

/// A function of 1024 MiB, in a control group of that size where one can be made.
async fn function(variables: &[(&str, &str)]) -> (Environment, Confined) {
    let confined = Confined::new(&program::bootstrap(), 1024);
    let environment = Environment::start_with(confined.program(), variables.to_vec());
    (environment.await.unwrap(), confined)
}

/// Puts these objects and healthy ones between them, and delivers all in one event.
async fn deliver(environment: &Environment, keys: &[String]) -> Result<Value, InvokeError> {
    let s3 = &environment.s3;
    s3.put("plugins/healthy.wasm", guest::scripted());
    let mut all = keys.to_vec();
    for number in 0..HEALTHY {
        let key = format!("healthy/{number}");
        s3.put(&key, texts(&[(&format!("healthy:{number}"), "well")]));
        all.push(key);
    }
    let events = all.iter().map(|key| event::created(BUCKET, key));
    let within = Duration::from_secs(120);
    environment
        .function
        .invoke_within(event::batch(events), within)
        .await
}

async fn assert_healthy(environment: &Environment) {
    let all = held(&environment.redis).await;
    for number in 0..HEALTHY {
        assert_eq!(all[format!("healthy:{number}")], "well");
    }
}

fn assert_peak(environment: &Environment, what: &str) {
    let peak = environment.function.peak_memory_mib().unwrap();
    println!("{what}: {peak} MiB at the peak");
    assert!(peak < BUDGET_MIB, "{what}: {peak} MiB");
}

/// Each is permitted what it takes, but not all at once: they take turns.
#[tokio::test(flavor = "multi_thread")]
async fn eight_plugins_that_take_250_mib_each_all_come_to_their_end() {
    let (environment, _group) = function(&[]).await;
    environment.s3.put("plugins/big.wasm", takes(250));
    let keys: Vec<String> = (0..8).map(|number| format!("big/{number}")).collect();
    for key in &keys {
        environment.s3.put(key, "");
    }
    let answer = deliver(&environment, &keys).await.unwrap();
    assert_eq!(answer["status"], "success", "{answer}");
    assert_healthy(&environment).await;
    assert_peak(&environment, "8 plugins of 250 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_objects_of_32_mib_are_stored_as_they_are() {
    let (environment, _group) = function(&[]).await;
    let keys: Vec<String> = (0..10).map(|number| format!("large-{number}")).collect();
    for key in &keys {
        environment.s3.put(key, vec![b'x'; 32 << 20]);
    }
    let answer = deliver(&environment, &keys).await.unwrap();
    assert_eq!(answer["status"], "success", "{answer}");
    assert_healthy(&environment).await;
    let length = environment
        .redis
        .command(&["STRLEN", "large-9"])
        .await
        .unwrap();
    assert_eq!(length, (32 << 20).to_string());
    assert_peak(&environment, "10 objects of 32 MiB");
}

/// As decimal fractions each of them has 326 digits: 240 MB in all, beside the documents.
#[tokio::test(flavor = "multi_thread")]
async fn scores_of_the_smallest_kind_take_what_their_texts_do() {
    let (environment, _group) = function(&[]).await;
    upload_copies(&environment);
    let keys: Vec<String> = (0..3).map(|number| format!("copies/{number}")).collect();
    for (number, key) in keys.iter().enumerate() {
        let members: Vec<Value> = (0..250_000)
            .map(|member| json!([format!("{member:x}"), 5e-324]))
            .collect();
        let document =
            json!([{"key": format!("z{number}"), "type": "sorted_set", "value": members}]);
        environment.s3.put(key, document.to_string());
    }
    let answer = deliver(&environment, &keys).await.unwrap();
    assert_eq!(answer["status"], "success", "{answer}");
    assert_healthy(&environment).await;
    let members = environment.redis.command(&["ZCARD", "z2"]).await.unwrap();
    assert_eq!(members, "250000");
    assert_peak(&environment, "3 objects of 250,000 scores");
}

/// Eight million elements of one letter each: half a gigabyte, were they kept.
#[tokio::test(flavor = "multi_thread")]
async fn documents_of_far_more_elements_than_may_be_stored_take_what_their_texts_do() {
    let (environment, _group) = function(&[("TIME_LIMIT_MS", "60000")]).await;
    upload_copies(&environment);
    let elements = 8_388_000;
    let value = vec![r#""x""#; elements].join(",");
    let document = format!(r#"[{{"key":"l","type":"list","value":[{value}]}}]"#);
    let keys: Vec<String> = (0..2).map(|number| format!("copies/{number}")).collect();
    for key in &keys {
        environment.s3.put(key, &document);
    }
    let refused = message(deliver(&environment, &keys).await);
    let why = format!("{elements} elements in all its entries, more than 1000000");
    assert!(refused.contains(&why), "{refused}");
    assert_healthy(&environment).await;
    assert_peak(&environment, "2 documents of 8,388,000 elements");
}

/// As many bytes of Redis keys as an object may have, each time others: those that it had are read for the
/// commit.
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_the_longest_keys_take_turns_too() {
    const KEYS: usize = 1000;
    const KEY_BYTES: usize = 8300;
    let (environment, _group) = function(&[("CONCURRENCY", "12")]).await;
    upload_copies(&environment);
    let keys: Vec<String> = (0..12).map(|number| format!("copies/{number}")).collect();
    let rest = "k".repeat(KEY_BYTES - "00:1:0000:".len());
    for version in 0..2 {
        for (number, key) in keys.iter().enumerate() {
            let entries = (0..KEYS).map(|place| {
                let name = format!("{number:02}:{version}:{place:04}:{rest}");
                json!({"key": name, "type": "bytes", "value": "v"})
            });
            let document = Value::Array(entries.collect()).to_string();
            environment.s3.put(key, document);
        }
        // A hundred megabytes on one connection: on a busy machine Redis may answer too late, and nothing else may
        // happen. The event comes again then.
        let mut answer = deliver(&environment, &keys).await;
        for _ in 0..4 {
            let Err(late) = answer else { break };
            let late = late.to_string();
            assert!(late.contains("is not available: timed out"), "{late}");
            answer = deliver(&environment, &keys).await;
        }
        assert_eq!(answer.unwrap()["status"], "success");
    }
    assert_healthy(&environment).await;
    let size = environment
        .redis
        .command(&["HLEN", "redis-sync:owners"])
        .await;
    assert_eq!(size.unwrap(), (12 * KEYS + HEALTHY).to_string());
    assert_peak(&environment, "12 objects of 8.3 MB of keys");
}

/// Sixteen megabytes out of 40 bytes are more than a first run is given room for.
#[tokio::test(flavor = "multi_thread")]
async fn what_yields_far_more_than_its_object_has_is_stored_whole() {
    let (environment, _group) = function(&[]).await;
    environment.s3.put("plugins/flags.wasm", guest::scripted());
    environment.s3.put(
        "flags/a",
        json!({"do": "flood", "bytes": 16 << 20}).to_string(),
    );
    let answer = deliver(&environment, &["flags/a".to_owned()])
        .await
        .unwrap();
    assert_eq!(answer["status"], "success", "{answer}");
    let length = environment
        .redis
        .command(&["STRLEN", "flood"])
        .await
        .unwrap();
    assert_eq!(length, (16 << 20).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_given_fails_by_name_and_stops_nobody() {
    let (environment, _group) = function(&[]).await;
    environment.s3.put("plugins/big.wasm", takes(1));
    let routes = r#"[[route]]
        prefix = "big/"
        plugin = "big.wasm"
        memory_mib = 4000
        [[route]]
        prefix = "healthy/"
        plugin = "healthy.wasm""#;
    environment.s3.put("plugins/routes.toml", routes);
    environment.s3.put("big/a", "");
    let refused = message(deliver(&environment, &["big/a".to_owned()]).await);
    assert!(
        refused.contains(
            "`big/a` cannot be worked on: it may need 4211 MiB of memory, and there are 704"
        ),
        "{refused}"
    );
    assert_healthy(&environment).await;
}
