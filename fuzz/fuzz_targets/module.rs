//! Whatever is uploaded as a module, it is refused with a reason or it is a plugin; and a plugin
//! ends within its limits, twice in the same way.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use redis_sync_fuzz::plugin;
use redis_sync_fuzz::runs::{assert_same, mutated_module, run};
use redis_sync_fuzz::sandbox::Sandbox;
use std::sync::LazyLock;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(1).expect("an engine"));

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
