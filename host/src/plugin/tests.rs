//! From a module's bytes to entries, and where machine code comes from.

use super::*;
use crate::entry::Value;
use crate::object::Object;
use crate::route::Output;
use crate::sandbox::{Identity, Input, Ran, Unusable};
use crate::settings::{CompiledSettings, Limits, Secret};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// A program that writes 16 random bytes and the monotonic clock, in a loop that costs fuel.
const PROGRAM: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\20\00\00\00")
  (func (export "_start") (local i32)
    (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000))))
    (drop (call $random (i32.const 64) (i32.const 16)))
    (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 80)))
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 88)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// Another program.
const OTHER: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn module(text: &str) -> Module {
    let bytes = wat::parse_str(text).unwrap();
    Module {
        etag: crate::fingerprint::sha256(&bytes),
        bytes: bytes.into(),
    }
}

fn sandbox() -> Arc<Sandbox> {
    Arc::new(Sandbox::new(2).unwrap())
}

fn compile(sandbox: &Sandbox, module: &Module) -> Plugin {
    let component = component::from_module(&module.bytes).unwrap();
    sandbox.prepare(&component).unwrap()
}

fn run(plugin: &Plugin, key: &str) -> Ran {
    let object = Object {
        bucket: "b".into(),
        key: key.into(),
        etag: "e".into(),
        version_id: None,
        last_modified: 1_700_000_000_000,
        content_type: None,
        metadata: Vec::new(),
        body: Bytes::new(),
    };
    plugin.run(&Input {
        plugin: "p.wasm",
        digest: "d",
        object: &object,
        settings: &Arc::new(BTreeMap::new()),
        output: Output::Value,
        limits: Limits {
            fuel: 1_000_000,
            time: Duration::from_secs(10),
            memory_bytes: 64 << 20,
            output_bytes: 1 << 20,
        },
    })
}

fn key(letter: &str) -> Secret {
    Secret::new(letter.repeat(32))
}

const IDENTITY: Identity<'static> = Identity {
    host: "this release",
    module: "this module",
};

#[test]
fn the_same_object_gives_the_same_entries_and_fuel_a_thousand_times_compiled_here_or_elsewhere() {
    let (sandbox, module) = (sandbox(), module(PROGRAM));
    let here = compile(&sandbox, &module);
    let sealed = sandbox.seal(&here, &key("k"), IDENTITY).unwrap();
    let another = Sandbox::new(7).unwrap();
    let elsewhere = another.open(&sealed, &key("k"), IDENTITY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let deployed = sandbox
        .map(&precompile(&module.bytes, folder.path()).unwrap())
        .unwrap();

    let first = run(&here, "o");
    let entries = first.result.unwrap();
    assert!(matches!(&entries[0].value, Value::Bytes(bytes) if bytes.len() == 32));
    assert!(first.fuel > 1000);
    for _ in 0..334 {
        for plugin in [&here, &elsewhere, &deployed] {
            let again = run(plugin, "o");
            assert_eq!(
                (again.fuel, again.result.unwrap()),
                (first.fuel, entries.clone())
            );
        }
    }
    assert_ne!(
        run(&here, "another").result.unwrap()[0].value,
        entries[0].value
    );
}

#[test]
fn an_artefact_is_taken_only_as_it_was_sealed() {
    let sandbox = sandbox();
    let plugin = compile(&sandbox, &module(OTHER));
    let artefact = sandbox.seal(&plugin, &key("k"), IDENTITY).unwrap();
    assert!(sandbox.open(&artefact, &key("k"), IDENTITY).is_ok());

    let refused =
        |artefact: &[u8], key: &Secret, identity| sandbox.open(artefact, key, identity).err();
    for length in [0, 5, 8, 39, artefact.len() / 2, artefact.len() - 1] {
        let error = refused(&artefact[..length], &key("k"), IDENTITY);
        assert!(
            matches!(error, Some(Unusable::Form | Unusable::Seal)),
            "cut to {length}"
        );
    }
    for at in (0..artefact.len()).step_by(artefact.len() / 97) {
        let mut corrupt = artefact.clone();
        corrupt[at] ^= 1;
        let error = refused(&corrupt, &key("k"), IDENTITY);
        assert!(
            matches!(error, Some(Unusable::Form | Unusable::Seal)),
            "bit flipped at {at}"
        );
    }
    let longer = [artefact.as_slice(), b"\0"].concat();
    assert!(matches!(
        refused(&longer, &key("k"), IDENTITY),
        Some(Unusable::Seal)
    ));
    let foreign = refused(&artefact, &key("x"), IDENTITY);
    assert!(
        matches!(foreign, Some(Unusable::Seal)),
        "the key of another"
    );
    let swapped = Identity {
        module: "another module",
        ..IDENTITY
    };
    assert!(matches!(
        refused(&artefact, &key("k"), swapped),
        Some(Unusable::Seal)
    ));
    let older = Identity {
        host: "the release before",
        ..IDENTITY
    };
    assert!(matches!(
        refused(&artefact, &key("k"), older),
        Some(Unusable::Seal)
    ));
}

#[test]
fn engines_of_any_size_are_the_same_engine() {
    let hash = |concurrency| Sandbox::new(concurrency).unwrap().engine_hash();
    assert_eq!(hash(1), hash(16));
}

fn library(folder: Option<&Path>, room: u64) -> ModuleCache {
    let settings = CompiledSettings {
        folder: folder.map(Path::to_owned),
        prefix: "compiled/".into(),
        key: None,
    };
    let sandbox = sandbox();
    let compiled = Compiled::folder_only(&settings).unwrap();
    ModuleCache::with_room(sandbox, compiled, room)
}

async fn load(library: &ModuleCache, name: &str, module: &Module) -> Result<Loaded, PluginError> {
    let etag = module.etag.clone();
    let fetch = || {
        let module = module.clone();
        async move { Ok::<_, std::io::Error>(module) }
    };
    library.load(name, &etag, fetch).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_read_and_compiled_once_however_many_wait_for_it() {
    let (library, module) = (library(None, 1 << 30), module(OTHER));
    let fetched = Arc::new(AtomicUsize::new(0));
    let loads = (0..50).map(|_| {
        library.load("p.wasm", &module.etag, || {
            let (module, fetched) = (module.clone(), Arc::clone(&fetched));
            async move {
                fetched.fetch_add(1, Ordering::SeqCst);
                Ok::<_, std::io::Error>(module)
            }
        })
    });
    for loaded in futures::future::join_all(loads).await {
        assert!(loaded.unwrap().is_ok());
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_plugin_goes_when_there_is_no_room() {
    let modules: Vec<Module> = (0..3)
        .map(|number| {
            module(&format!(
                "{} (func (result i32) (i32.const {number})))",
                &OTHER[..OTHER.len() - 1]
            ))
        })
        .collect();
    let size = u64::try_from(compile(&sandbox(), &modules[0]).size()).unwrap();
    let library = library(None, size * 5 / 2);
    for number in [0, 1, 0, 2] {
        load(&library, &number.to_string(), &modules[number])
            .await
            .unwrap();
        library.plugins.run_pending_tasks().await;
    }
    let has = |number: usize| {
        library
            .plugins
            .contains_key(&(number.to_string(), modules[number].etag.clone()))
    };
    assert_eq!([has(0), has(1), has(2)], [true, false, true]);
    assert!(library.plugins.weighted_size() <= size * 5 / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_file_is_mapped_and_one_that_is_damaged_is_not() {
    let module = module(OTHER);
    let folder = tempfile::tempdir().unwrap();
    let file = precompile(&module.bytes, folder.path()).unwrap();
    let digest = crate::fingerprint::sha256(&module.bytes);
    let settings = CompiledSettings {
        folder: Some(folder.path().to_owned()),
        prefix: "compiled/".into(),
        key: None,
    };
    let compiled = Compiled::folder_only(&settings).unwrap();
    let sandbox = sandbox();
    let found = compiled.find(&sandbox, &digest).await.unwrap();
    assert!(run(&found.plugin, "o").result.is_ok());
    assert!(compiled.find(&sandbox, "another module").await.is_none());

    // Not in place: the file is still mapped.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, b"damaged").unwrap();
    assert!(compiled.find(&sandbox, &digest).await.is_none());
    assert_eq!(compiled.refused().take(), 1);
    let library = library(Some(folder.path()), 1 << 30);
    assert!(
        load(&library, "p.wasm", &module).await.is_ok(),
        "it is compiled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_replaced_after_the_listing_is_what_runs_and_is_not_kept_under_the_old_tag()
 {
    let (library, old, new) = (library(None, 1 << 30), module(OTHER), module(PROGRAM));
    let fetch = || {
        let new = new.clone();
        async move { Ok::<_, std::io::Error>(new) }
    };
    let loaded = library
        .load("p.wasm", &old.etag, fetch)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*loaded.digest, *crate::fingerprint::sha256(&new.bytes));
    let again = load(&library, "p.wasm", &old).await.unwrap();
    assert_eq!(*again.digest, *crate::fingerprint::sha256(&old.bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_takes_too_long_is_not_waited_for_and_is_there_in_the_end() {
    let (mut library, module) = (library(None, 1 << 30), module(OTHER));
    library.max_wait = Duration::from_millis(500);
    let (release, released) = tokio::sync::watch::channel(false);
    let slow = || {
        let (module, mut released) = (module.clone(), released.clone());
        async move {
            let _ = released.wait_for(|released| *released).await;
            Ok::<_, std::io::Error>(module)
        }
    };
    let given_up = library.load("p.wasm", &module.etag, slow).await.unwrap();
    assert!(matches!(given_up, Err(PluginError::Slow)));
    let started = Instant::now();
    let next = library.load("p.wasm", &module.etag, slow).await.unwrap();
    assert!(matches!(next, Err(PluginError::Slow)));
    assert!(started.elapsed() < library.max_wait, "nobody waits twice");
    release.send(true).unwrap();
    while !library
        .plugins
        .contains_key(&("p.wasm".to_owned(), module.etag.clone()))
    {
        tokio::task::yield_now().await;
    }
    assert!(load(&library, "p.wasm", &module).await.is_ok());
}
