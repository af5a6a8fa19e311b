//! The hostile collection, all of it in one invocation among healthy objects.
#![expect(clippy::print_stdout, reason = "what is measured is shown")]

use crate::environment::{environment, upload_all};
use crate::objects::one;
use redis_sync_local::{BUCKET, Environment, event};
use redis_sync_tests::held::held;
use redis_sync_tests::hostile::{Attack, collection};
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Healthy objects, between which the others are.
const HEALTHY: usize = 40;

/// What the process may hold at its peak, in MiB: 4 runs with 64 MiB and as much again on its way
/// in and out, two modules that are compiled, and the program itself.
const PEAK_MIB: u64 = 768;

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_collection_harms_no_neighbour_and_each_one_is_named_with_its_reason() {
    let variables = [
        ("CONCURRENCY", "4"),
        ("FUEL_LIMIT", "20000000"),
        ("TIME_LIMIT_MS", "2000"),
        ("MEMORY_LIMIT_MIB", "64"),
        ("MAX_OUTPUT_BYTES", "4194304"),
    ];
    let environment = Environment::start_with(program::bootstrap(), variables)
        .await
        .unwrap();
    let attacks = collection();
    assert!(attacks.len() >= 40, "{} attacks", attacks.len());
    let keys = upload(&environment, &attacks);

    let failed = environment
        .function
        .invoke_within(
            event::batch(keys.iter().map(|key| event::created(BUCKET, key))),
            Duration::from_secs(240),
        )
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("ObjectsFailed"), "{failed}");

    let errors = errors(&environment.function.logs());
    let wrong: Vec<String> = attacks
        .iter()
        .enumerate()
        .filter_map(|(number, attack)| {
            let said = errors.get(&key(number)).map_or("nothing", String::as_str);
            let (name, reason) = (attack.name, attack.reason);
            let is_named = reason.split('|').any(|reason| said.contains(reason));
            (!is_named).then(|| format!("{name}: `{reason}` is not in `{said}`"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let expected: serde_json::Map<String, Value> = (0..HEALTHY)
        .map(|number| (format!("healthy:{number}"), json!("well")))
        .collect();
    assert_eq!(held(&environment.redis).await, Value::Object(expected));
    let peak = environment.function.peak_memory_mib().unwrap();
    println!("{} attacks, {peak} MiB at the peak", attacks.len());
    assert!(peak < PEAK_MIB, "{peak} MiB");
}

fn key(number: usize) -> String {
    format!("attack-{number}/object")
}

/// Uploads every attack with its object, and the healthy ones; returns the objects' keys, mixed.
fn upload(environment: &Environment, attacks: &[Attack]) -> Vec<String> {
    environment
        .s3
        .put("plugins/healthy.wasm", guest::scripted());
    let (mut keys, mut routes) = (Vec::new(), route("healthy", "value"));
    for (number, attack) in attacks.iter().enumerate() {
        let plugin = format!("attack-{number}");
        routes += &route(&plugin, attack.output);
        let module = format!("plugins/{plugin}.wasm");
        environment.s3.put(&module, &attack.module);
        environment.s3.put(&key(number), "{}");
        keys.push(key(number));
    }
    for number in 0..HEALTHY {
        let key = format!("healthy/{number}");
        let entries = json!({format!("healthy:{number}"): {"bytes": "well"}});
        let object = json!({"do": "yield", "entries": entries});
        environment.s3.put(&key, object.to_string());
        keys.insert(number * 2, key);
    }
    environment.s3.put("plugins/routes.toml", routes);
    keys
}

/// The route to a plugin of the objects under its name.
fn route(plugin: &str, output: &str) -> String {
    format!(
        "[[route]]\nprefix = \"{plugin}/\"\nplugin = \"{plugin}.wasm\"\noutput = \"{output}\"\n"
    )
}

/// The reason of each object that failed, as it was logged.
fn errors(logs: &[String]) -> BTreeMap<String, String> {
    logs.iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| {
            let object = line["object"].as_str()?.to_owned();
            Some((object, line["error"].as_str()?.to_owned()))
        })
        .collect()
}

/// How often a measurement is repeated.
const ROUNDS: usize = 15;

/// How long a healthy object takes beside plugins that burn all of their fuel.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: --ignored --nocapture neighbour"]
async fn the_neighbour_of_plugins_that_burn_their_fuel() {
    let variables = [("CONCURRENCY", "8"), ("FUEL_LIMIT", "500000000")];
    let environment = environment(&variables).await;
    let spin = json!({"do": "spin"}).to_string();
    let burners: Vec<String> = (0..7)
        .map(|number| format!("flags/burner-{number}"))
        .collect();
    for burners in [&[], &burners[..1], &burners[..]] {
        for round in 0..ROUNDS {
            let healthy = format!("flags/beside-{}-{round}", burners.len());
            let objects = burners.iter().map(|burner| (burner.as_str(), spin.clone()));
            let objects: Vec<_> = objects.chain([(healthy.as_str(), one(&healthy))]).collect();
            let _ = upload_all(&environment, &objects).await;
        }
        let started = format!("flags/beside-{}-", burners.len());
        let mut times: Vec<f64> = durations(&environment.function.logs(), &started);
        times.sort_by(f64::total_cmp);
        println!(
            "beside {} burners: {:.1} ms in the middle, {:.1} at the most",
            burners.len(),
            times[ROUNDS / 2],
            times[ROUNDS - 1]
        );
    }
    let burnt = durations(&environment.function.logs(), "flags/burner-");
    println!(
        "a burner itself: {:.0} ms at the least",
        burnt.iter().copied().fold(f64::MAX, f64::min)
    );
}

/// How long the objects took whose keys begin so, in milliseconds, as it was logged.
fn durations(logs: &[String], start: &str) -> Vec<f64> {
    let lines = logs
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_object = |line: &Value| {
        line["object"]
            .as_str()
            .is_some_and(|key| key.starts_with(start))
    };
    lines
        .filter(of_object)
        .filter_map(|line| line["duration_ms"].as_f64())
        .collect()
}
