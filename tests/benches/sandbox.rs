//! One object through the sandbox, beside the same code native.
//!
//! ```text
//! make bench
//! ```

use divan::{Bencher, black_box};
use redis_sync::budget::{Account, Budget};
use redis_sync::object::Object;
use redis_sync::plugin::{ArtifactStore, Loaded, Module, ModuleCache};
use redis_sync::route::Output;
use redis_sync::sandbox::{Input, Sandbox};
use redis_sync::settings::Limits;
use redis_sync_tests::program::compiler;
use redis_sync_tests::{guest, nhs};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: Limits = Limits {
    fuel: 5_000_000_000,
    time: Duration::from_secs(10),
    memory_bytes: 256 << 20,
    output_bytes: 32 << 20,
};

/// Suppliers of the object: the real file has 20, which are 1.6 KB.
const SUPPLIERS: [usize; 2] = [20, 12_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SUPPLIERS)]
fn native(bencher: Bencher<'_, '_>, suppliers: usize) {
    let object = redis_sync_guest::Object::new("permissions_config.json", body(suppliers));
    bencher.bench_local(|| supplier_permissions::supplier_permissions(black_box(&object)));
}

#[divan::bench(args = SUPPLIERS)]
fn sandboxed(bencher: Bencher<'_, '_>, suppliers: usize) {
    let (loaded, object, settings) = (loaded(), object(suppliers), Arc::default());
    let account = Account::unbounded();
    let input = Input {
        plugin: "permissions_config.json.wasm",
        digest: &loaded.digest,
        object: &object,
        settings: &settings,
        output: Output::Value,
        limits: LIMITS,
        account: &account,
    };
    bencher.bench_local(|| loaded.plugin.run(black_box(&input)));
}

fn loaded() -> Loaded {
    let sandbox = Sandbox::new(1).expect("the engine starts");
    let module = |_| async {
        Ok::<_, Infallible>(Module {
            etag: String::new(),
            bytes: guest::module("supplier-permissions").into(),
        })
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let modules = ModuleCache::new(
        Arc::new(sandbox),
        ArtifactStore::default(),
        compiler(),
        Budget::new(u64::MAX),
        u64::MAX,
    );
    let loaded = runtime.block_on(modules.load("permissions_config.json.wasm", "", module));
    loaded
        .expect("the module is there")
        .expect("the module loads")
}

fn object(suppliers: usize) -> Object {
    Object {
        bucket: "config".into(),
        key: "permissions_config.json".into(),
        etag: "e".into(),
        version_id: None,
        last_modified: 0,
        content_type: None,
        metadata: vec![],
        body: body(suppliers).into(),
    }
}

/// The real file, and its suppliers over again under other names.
fn body(suppliers: usize) -> String {
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
