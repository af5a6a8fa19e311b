//! From a module's bytes to entries, and where machine code comes from.

use super::{CompileLimits, Compiler, Module, component, precompile};
use crate::budget::Account;
use crate::entry::{Entry, Value};
use crate::object::Object;
use crate::route::Output;
use crate::sandbox::{Failure, Identity, Input, Plugin, Ran, Sandbox, Unusable};
use crate::settings::{Limits, Secret};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A program that writes 16 random bytes and the monotonic clock, in a loop that costs fuel.
pub(super) const PROGRAM: &str = r#"(module
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
pub(super) const OTHER: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

pub(super) fn module(text: &str) -> Module {
    let bytes = wat::parse_str(text).unwrap();
    Module {
        etag: crate::fingerprint::sha256(&bytes),
        bytes: bytes.into(),
    }
}

pub(super) fn sandbox() -> Arc<Sandbox> {
    Arc::new(Sandbox::new(2).unwrap())
}

pub(super) fn compile(sandbox: &Sandbox, module: &Module) -> Plugin {
    let prepared = component::prepare(&module.bytes).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), crate::sandbox::compile(&prepared).unwrap()).unwrap();
    sandbox.map(file.path()).unwrap()
}

/// A compiler whose child is the binary that is built beside the tests.
pub(super) fn compiler() -> Compiler {
    compiler_within(512)
}

/// The same whose child may take so many MiB.
pub(super) fn compiler_within(mib: u64) -> Compiler {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().nth(2).unwrap();
    let limits = CompileLimits {
        memory_bytes: mib << 20,
        processor: Duration::from_secs(60),
    };
    Compiler::new(folder.join("bootstrap"), limits)
}

pub(super) fn run(plugin: &Plugin, key: &str) -> Ran {
    run_within(plugin, key, LIMITS, &Account::unbounded())
}

/// What a run may use.
pub(super) const LIMITS: Limits = Limits {
    fuel: 1_000_000,
    time: Duration::from_secs(10),
    memory_bytes: 64 << 20,
    output_bytes: 1 << 20,
};

pub(super) fn run_within(plugin: &Plugin, key: &str, limits: Limits, account: &Account) -> Ran {
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
        limits,
        account,
    })
}

fn yielded(plugin: &Plugin, key: &str) -> (u64, Vec<Entry>) {
    let Ran { fuel, result, .. } = run(plugin, key);
    let Ok(yielded) = result else {
        panic!("it yields entries");
    };
    (fuel, yielded.entries)
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

    let (fuel, entries) = yielded(&here, "o");
    assert!(matches!(&entries[0].value, Value::Bytes(bytes) if bytes.len() == 32));
    assert!(fuel > 1000);
    for _ in 0..334 {
        for plugin in [&here, &elsewhere, &deployed] {
            assert_eq!(yielded(plugin, "o"), (fuel, entries.clone()));
        }
    }
    let (_, another) = yielded(&here, "another");
    assert_ne!(another[0].value, entries[0].value);
}

#[test]
fn an_artifact_is_taken_only_as_it_was_sealed() {
    let sandbox = sandbox();
    let plugin = compile(&sandbox, &module(OTHER));
    let artifact = sandbox.seal(&plugin, &key("k"), IDENTITY).unwrap();
    assert!(sandbox.open(&artifact, &key("k"), IDENTITY).is_ok());

    let refused =
        |artifact: &[u8], key: &Secret, identity| sandbox.open(artifact, key, identity).err();
    for length in [0, 5, 8, 39, artifact.len() / 2, artifact.len() - 1] {
        let error = refused(&artifact[..length], &key("k"), IDENTITY);
        assert!(
            matches!(error, Some(Unusable::Form | Unusable::Seal)),
            "cut to {length}"
        );
    }
    for at in (0..artifact.len()).step_by(artifact.len() / 97) {
        let mut corrupt = artifact.clone();
        corrupt[at] ^= 1;
        let error = refused(&corrupt, &key("k"), IDENTITY);
        assert!(
            matches!(error, Some(Unusable::Form | Unusable::Seal)),
            "bit flipped at {at}"
        );
    }
    let longer = [artifact.as_slice(), b"\0"].concat();
    assert!(matches!(
        refused(&longer, &key("k"), IDENTITY),
        Some(Unusable::Seal)
    ));
    let foreign = refused(&artifact, &key("x"), IDENTITY);
    assert!(
        matches!(foreign, Some(Unusable::Seal)),
        "the key of another"
    );
    let swapped = Identity {
        module: "another module",
        ..IDENTITY
    };
    assert!(matches!(
        refused(&artifact, &key("k"), swapped),
        Some(Unusable::Seal)
    ));
    let older = Identity {
        host: "the release before",
        ..IDENTITY
    };
    assert!(matches!(
        refused(&artifact, &key("k"), older),
        Some(Unusable::Seal)
    ));
}

/// Its key and the 32 bytes that it writes.
#[test]
fn an_output_may_be_as_large_as_its_limit_and_not_a_byte_larger() {
    let plugin = compile(&sandbox(), &module(PROGRAM));
    for (key, output_bytes, is_stored) in [("", 32, true), ("o", 33, true), ("o", 32, false)] {
        let limits = Limits {
            output_bytes,
            ..LIMITS
        };
        let ran = run_within(&plugin, key, limits, &Account::unbounded());
        let expected = (!is_stored).then_some(Failure::OutputTooLarge(output_bytes));
        assert_eq!(ran.result.err(), expected, "{key} {output_bytes}");
    }
}

/// What is kept of plugins is bounded by that.
#[test]
fn a_plugin_is_as_large_as_its_machine_code() {
    let sandbox = sandbox();
    let plugin = compile(&sandbox, &module(PROGRAM));
    let artifact = sandbox.seal(&plugin, &key("k"), IDENTITY).unwrap();
    assert!((artifact.len() / 2..artifact.len() * 2).contains(&plugin.size()));
}

#[test]
fn engines_of_any_size_are_the_same_engine() {
    let hash = |concurrency| Sandbox::new(concurrency).unwrap().engine_hash();
    assert_eq!(hash(1), hash(16));
}
