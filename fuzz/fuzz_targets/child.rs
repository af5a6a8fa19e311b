//! Whatever is uploaded as a module, through the whole of its loading: a compiling child reads it, and
//! makes machine code of it or says why not, or dies of it; this process stays, has a reason to tell, and
//! what it maps runs within its limits, twice in the same way.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use redis_sync_fuzz::plugin;
use redis_sync_fuzz::runs::{assert_same, mutated_module, run};
use redis_sync_fuzz::sandbox::Sandbox;
use std::sync::{Arc, LazyLock};

static SANDBOX: LazyLock<Arc<Sandbox>> = LazyLock::new(|| Arc::new(Sandbox::new(1).expect("an engine")));

fuzz_target!(|module: &[u8]| {
    match plugin::compile_in_child(&SANDBOX, module) {
        Ok(plugin) => assert_same(&run(&plugin), &run(&plugin)),
        Err(refusal) => {
            let said = refusal.to_string();
            assert!(!said.is_empty() && said.len() <= 1100, "{said}");
        }
    }
});

// Bytes changed at random are rarely a module any more: mostly a valid one is changed into another.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 8 != 0
        && let Some(mutated) = mutated_module(&data[..size], seed)
        && mutated.len() <= max_size
    {
        data[..mutated.len()].copy_from_slice(&mutated);
        return mutated.len();
    }
    fuzzer_mutate(data, size, max_size)
});
