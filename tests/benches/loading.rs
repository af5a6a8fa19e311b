//! What it takes until a plugin can run: compiled, mapped from `COMPILED_DIR`, opened as a sealed
//! artifact of the bucket. Those of other languages are measured where `make languages` built them.
//!
//! ```text
//! make languages bench
//! ```
#![expect(clippy::print_stdout, reason = "what it shows is what it is for")]

use redis_sync::budget::Budget;
use redis_sync::fingerprint::sha256;
use redis_sync::plugin::{ArtifactStore, Loaded, Module, ModuleCache, precompile};
use redis_sync::sandbox::{Identity, Sandbox};
use redis_sync::settings::Secret;
use redis_sync_tests::guest;
use redis_sync_tests::program::compiler;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often what takes milliseconds is repeated; the middle of it is shown.
const ROUNDS: usize = 21;

/// Plugins that `make languages` builds.
const LANGUAGES: [&str; 2] = ["feature-flags-js.wasm", "leaderboard-python.wasm"];

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loading");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    println!("plugin                      wasm KiB  code KiB   compiled     mapped     opened");
    measure(
        "supplier-permissions.wasm",
        &guest::module("supplier-permissions"),
        &folder,
    );
    for name in LANGUAGES {
        match std::fs::read(languages().join(name)) {
            Ok(module) => measure(name, &module, &folder),
            Err(_) => println!("{name:26} is not built: make languages"),
        }
    }
}

fn languages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/languages")
}

fn measure(name: &str, module: &[u8], folder: &Path) {
    let sandbox = Arc::new(Sandbox::new(1).expect("the engine starts"));
    let started = Instant::now();
    let loaded = compiled(&sandbox, module);
    let compiling = started.elapsed();

    let file = precompile(module, folder).expect("the folder can be written");
    let mapping = middle(|| sandbox.map(&file).expect("the file is good"));

    let key = Secret::new("k".repeat(32));
    let digest = sha256(module);
    let identity = Identity {
        host: "bench",
        module: &digest,
    };
    let artifact = sandbox
        .seal(&loaded.plugin, &key, identity)
        .expect("machine code can be sealed");
    let opening = middle(|| {
        let opened = sandbox.open(&artifact, &key, identity);
        opened.expect("the seal is good")
    });
    println!(
        "{name:26} {:9} {:9} {:>10} {:>10} {:>10}",
        module.len() >> 10,
        loaded.plugin.size() >> 10,
        shown(compiling),
        shown(mapping),
        shown(opening)
    );
}

/// As a function does it that has no compiled modules.
fn compiled(sandbox: &Arc<Sandbox>, module: &[u8]) -> Loaded {
    let bytes = bytes::Bytes::copy_from_slice(module);
    let fetch = move |_| {
        let bytes = bytes.clone();
        let etag = String::new();
        async move { Ok::<_, Infallible>(Module { etag, bytes }) }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let modules = ModuleCache::new(
        Arc::clone(sandbox),
        ArtifactStore::default(),
        compiler(),
        Budget::new(u64::MAX),
        u64::MAX,
    );
    let loaded = runtime.block_on(modules.load("plugin.wasm", "", fetch));
    loaded
        .expect("the module is there")
        .expect("the module loads")
}

fn middle<T>(work: impl Fn() -> T) -> Duration {
    let timed = |_| {
        let started = Instant::now();
        let made = work();
        let taken = started.elapsed();
        drop(made);
        taken
    };
    let mut times: Vec<Duration> = (0..ROUNDS).map(timed).collect();
    times.sort();
    times[ROUNDS / 2]
}

fn shown(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}
