//! Modules changed into others, and what their runs must keep to.

use crate::budget::Account;
use crate::object::Object;
use crate::route::Output;
use crate::sandbox::{Failure, Input, Plugin, Ran};
use crate::settings::Limits;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use wasm_mutate::WasmMutate;

/// Small, so that a run is over soon.
const LIMITS: Limits = Limits {
    fuel: 100_000,
    time: Duration::from_millis(200),
    memory_bytes: 16 << 20,
    output_bytes: 64 << 10,
};

/// `None` where there is no valid core module to begin with, which the library relies on.
pub fn mutated_module(module: &[u8], seed: u32) -> Option<Vec<u8>> {
    wasmparser::validate(module).ok()?;
    let mut mutate = WasmMutate::default();
    mutate.seed(seed.into()).fuel(300).preserve_semantics(false);
    mutate.run(module).ok()?.next()?.ok()
}

/// Runs a plugin on a small object.
pub fn run(plugin: &Plugin) -> Ran {
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
        account: &Account::unbounded(),
    })
}

/// As text, since a score may be NaN. The clock is no part of what must be the same.
pub fn assert_same(one: &Ran, other: &Ran) {
    let timed_out = |ran: &Ran| matches!(ran.result, Err(Failure::OutOfTime(_)));
    assert!(one.fuel <= LIMITS.fuel);
    if !timed_out(one) && !timed_out(other) {
        let shown = |ran: &Ran| match &ran.result {
            Ok(yielded) => format!("{} {:?}", ran.fuel, yielded.entries),
            Err(failure) => format!("{} {failure:?}", ran.fuel),
        };
        assert_eq!(shown(one), shown(other));
    }
}
