//! What it takes until a plugin can run: compiled, mapped from `COMPILED_DIR`, opened as a sealed
//! artifact of the bucket. Those of other languages are measured where `make languages` built them.
//!
//! ```text
//! make languages bench
//! ```
#![expect(clippy::print_stdout, reason = "what it shows is what it is for")]

use redis_sync::budget::Budget;
use redis_sync::fingerprint::sha256;
use redis_sync::plugin::{ArtifactStore, Loaded, Module, ModuleCache};
use redis_sync::sandbox::{Identity, Sandbox};
use redis_sync::settings::Secret;
use redis_sync_tests::figures::{Figures, Row, compiled, middle_of};
use redis_sync_tests::guest;
use redis_sync_tests::program::compiler;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How often a small module is compiled.
const ROUNDS: usize = 7;

/// Plugins that `make languages` builds.
const LANGUAGES: [&str; 2] = ["feature-flags-js.wasm", "leaderboard-python.wasm"];

fn main() {
    let mut figures = Figures::new("loading");
    measure(
        &mut figures,
        "the guide's plugin",
        &guest::module("guide"),
        ROUNDS,
    );
    let module = guest::module("supplier-permissions");
    measure(&mut figures, "supplier-permissions", &module, ROUNDS);
    for name in LANGUAGES {
        match std::fs::read(languages().join(name)) {
            Ok(module) => measure(&mut figures, name, &module, 1),
            Err(_) => println!("{name} is not built: make languages"),
        }
    }
    println!("{}", figures.write());
}

fn languages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/languages")
}

fn measure(figures: &mut Figures, name: &str, module: &[u8], rounds: usize) {
    let is_guide = name.starts_with("the guide");
    let aim = |text: &'static str| if is_guide { text } else { "" };
    let mut size = Row::in_unit(&format!("{name}: module"), aim("80 KB"), "KB");
    size.value(module.len() as f64 / 1000.0);
    figures.row(size);

    let mut compiling = Row::new(
        &format!("{name}: compiled, in a child process"),
        aim("120 ms"),
    );
    let mut loaded = None;
    for _ in 0..rounds {
        let sandbox = Arc::new(Sandbox::new(1).expect("the engine starts"));
        let started = Instant::now();
        let plugin = compile(&sandbox, module);
        compiling.ours(started.elapsed());
        loaded = Some((sandbox, plugin));
    }
    figures.row(compiling);
    let (sandbox, loaded) = loaded.expect("it was compiled");

    let (_, file) = compiled(module);
    let mut mapping = Row::new(&format!("{name}: mapped from COMPILED_DIR"), "");
    mapping.ours(middle_of(|| sandbox.map(&file).expect("the file is good")));
    figures.row(mapping);

    let key = Secret::new("k".repeat(32));
    let digest = sha256(module);
    let identity = Identity {
        host: "bench",
        module: &digest,
    };
    let artifact = sandbox
        .seal(&loaded.plugin, &key, identity)
        .expect("machine code can be sealed");
    let mut opening = Row::new(&format!("{name}: opened, sealed"), "");
    opening.ours(middle_of(|| {
        let opened = sandbox.open(&artifact, &key, identity);
        opened.expect("the seal is good")
    }));
    figures.row(opening);
}

/// As a function does it that has no compiled modules.
fn compile(sandbox: &Arc<Sandbox>, module: &[u8]) -> Loaded {
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
