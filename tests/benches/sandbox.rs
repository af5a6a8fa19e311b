//! One object through the sandbox, beside the same code native and, where `make bench` has set it up,
//! beside the same transform in Extism; and how that grows with the object and with what it yields.
//!
//! ```text
//! make bench
//! ```
#![expect(clippy::print_stdout, reason = "what it shows is what it is for")]

use redis_sync::budget::Account;
use redis_sync::object::Object;
use redis_sync::route::Output;
use redis_sync::sandbox::{Input, Plugin};
use redis_sync::settings::Limits;
use redis_sync_tests::figures::{Figures, Point, Row, compiled, folder, middle_of};
use redis_sync_tests::{guest, nhs};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: Limits = Limits {
    fuel: 100_000_000_000,
    time: Duration::from_secs(60),
    memory_bytes: 1 << 30,
    output_bytes: 64 << 20,
};

/// How often ours, the floor and the peer take turns.
const ROUNDS: usize = 5;

fn main() {
    let mut figures = Figures::new("sandbox");
    let (permissions, _) = compiled(&guest::module("supplier-permissions"));
    for (name, suppliers, aim) in [
        (
            "a real file of 1.6 KB through the sandbox",
            20,
            "native + 15 µs",
        ),
        ("0.76 MB of the like", 12_000, "1.3 of native"),
    ] {
        figures.row(beside_native_and_extism(name, &permissions, suppliers, aim));
    }
    for suppliers in [13, 130, 1_300, 13_000, 130_000] {
        let body = body(suppliers);
        let native = redis_sync_guest::Object::new("permissions_config.json", body.clone());
        let floor = middle_of(|| supplier_permissions::supplier_permissions(black_box(&native)));
        let object = object(body);
        let ours = middle_of(|| run(&permissions, &object));
        figures.point("size", &Point::new(object.body.len(), ours, Some(floor)));
    }
    let (scripted, _) = compiled(&guest::scripted());
    for count in [1, 10, 100, 1_000, 10_000, 100_000] {
        let body =
            format!(r#"{{"do": "many", "key": "k", "count": {count}, "value": "some text"}}"#);
        let object = object(body);
        let ours = middle_of(|| run(&scripted, &object));
        figures.point("entries", &Point::new(count, ours, None));
    }
    println!("{}", figures.write());
}

fn beside_native_and_extism(name: &str, plugin: &Plugin, suppliers: usize, aim: &str) -> Row {
    let body = body(suppliers);
    let native = redis_sync_guest::Object::new("permissions_config.json", body.clone());
    let object = object(body);
    let mut row = Row::new(name, aim);
    for _ in 0..ROUNDS {
        row.floor(
            "native",
            middle_of(|| supplier_permissions::supplier_permissions(black_box(&native))),
        );
        row.ours(middle_of(|| run(plugin, &object)));
        for (peer, time) in extism(&object.body) {
            row.peer(&peer, time);
        }
    }
    row
}

fn run(plugin: &Plugin, object: &Object) {
    let (settings, account) = (Arc::default(), Account::unbounded());
    let ran = plugin.run(black_box(&Input {
        plugin: "permissions_config.json.wasm",
        digest: "0000000000000000000000000000000000000000000000000000000000000000",
        object,
        settings: &settings,
        output: Output::Value,
        limits: LIMITS,
        account: &account,
    }));
    assert!(black_box(ran).result.is_ok(), "the plugin runs");
}

/// What Extism takes, as `tests/peers/extism/measure.py` finds it. Nothing where it is not set up.
fn extism(body: &[u8]) -> Vec<(String, Duration)> {
    let (Some(python), Some(module)) = (
        std::env::var_os("EXTISM_PYTHON"),
        std::env::var_os("EXTISM_PLUGIN"),
    ) else {
        return Vec::new();
    };
    let input = folder().join("input");
    std::fs::write(&input, body).expect("the input can be written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/extism/measure.py");
    let output = Command::new(python)
        .arg(script)
        .arg(module)
        .arg(input)
        .output();
    let output = output.expect("Python starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("it prints text");
    let peers = lines.lines().filter_map(|line| {
        let (name, nanoseconds) = line.split_once('\t')?;
        Some((
            name.to_owned(),
            Duration::from_nanos(nanoseconds.parse().ok()?),
        ))
    });
    peers.collect()
}

fn object(body: String) -> Object {
    Object {
        bucket: "config".into(),
        key: "permissions_config.json".into(),
        etag: "e".into(),
        version_id: None,
        last_modified: 0,
        content_type: None,
        metadata: vec![],
        body: body.into(),
    }
}

/// The real file, and its suppliers over again under other names.
fn body(suppliers: usize) -> String {
    if suppliers == 20 {
        return nhs::CONFIG_FILES[0].body.to_owned();
    }
    let real: Vec<serde_json::Value> =
        serde_json::from_str(nhs::CONFIG_FILES[0].body).expect("a fixture is JSON");
    let rounds = real.iter().cycle().take(suppliers).enumerate();
    let list: Vec<_> = rounds
        .map(|(number, supplier)| {
            let mut supplier = supplier.clone();
            if number >= real.len() {
                supplier["supplier"] = format!(
                    "{}-{number}",
                    supplier["supplier"].as_str().unwrap_or_default()
                )
                .into();
            }
            supplier
        })
        .collect();
    serde_json::to_string(&list).expect("JSON writes")
}
