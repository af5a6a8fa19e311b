//! Whatever is uploaded as a module, it is refused with a reason or it is a plugin; and a plugin
//! ends within its limits, twice in the same way.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use redis_sync_fuzz::object::Object;
use redis_sync_fuzz::plugin;
use redis_sync_fuzz::route::Output;
use redis_sync_fuzz::sandbox::{Failure, Input, Plugin, Ran, Sandbox};
use redis_sync_fuzz::settings::Limits;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use wasm_mutate::WasmMutate;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(1).expect("an engine"));

/// Small, so that a run is over soon.
const LIMITS: Limits = Limits {
    fuel: 100_000,
    time: Duration::from_millis(200),
    memory_bytes: 16 << 20,
    output_bytes: 64 << 10,
};

/// Of so many modules that pass the checks one is compiled and run, since that takes a hundred times
/// as long.
const COMPILED: u8 = 8;

fuzz_target!(|module: &[u8]| {
    let checked = plugin::check(module);
    let sum = module.iter().copied().fold(0, u8::wrapping_add);
    let loaded = match checked {
        Ok(()) if sum % COMPILED == 0 => plugin::compile(&SANDBOX, module),
        Ok(()) => return,
        Err(refusal) => Err(refusal),
    };
    match loaded {
        Ok(plugin) => assert_same(&run(&plugin), &run(&plugin)),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
});

// Bytes changed at random are rarely a module any more: half of the time a valid one is changed
// into another valid one.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 2 == 0
        && let Some(mutated) = mutated_module(&data[..size], seed)
        && mutated.len() <= max_size
    {
        data[..mutated.len()].copy_from_slice(&mutated);
        return mutated.len();
    }
    fuzzer_mutate(data, size, max_size)
});

/// `None` where there is no valid core module to begin with, which the library relies on.
fn mutated_module(module: &[u8], seed: u32) -> Option<Vec<u8>> {
    wasmparser::validate(module).ok()?;
    let mut mutate = WasmMutate::default();
    mutate.seed(seed.into()).fuel(300).preserve_semantics(false);
    mutate.run(module).ok()?.next()?.ok()
}

fn run(plugin: &Plugin) -> Ran {
    let object = Object {
        bucket: "config".into(),
        key: "flags/a.json".into(),
        etag: "etag".into(),
        version_id: None,
        last_modified: 1_700_000_000_000,
        content_type: None,
        metadata: Vec::new(),
        body: Bytes::from_static(b"{\"dark\": \"on\"}"),
    };
    plugin.run(&Input {
        plugin: "flags.wasm",
        digest: "digest",
        object: &object,
        settings: &Arc::default(),
        output: Output::Entries,
        limits: LIMITS,
    })
}

/// As text, since a score may be NaN. The clock is no part of what must be the same.
fn assert_same(one: &Ran, other: &Ran) {
    let timed_out = |ran: &Ran| matches!(ran.result, Err(Failure::OutOfTime(_)));
    assert!(one.fuel <= LIMITS.fuel);
    if !timed_out(one) && !timed_out(other) {
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}
