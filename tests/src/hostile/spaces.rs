//! What takes more memory, table, stack or instances than there is.

use super::{ALLOCATOR, Attack, command, component, parse, raw, transform, transform_with};

/// The reason where the memory limit ends it.
const MEMORY: &str = "needs more than 64 MiB of memory";

/// A program that does nothing.
const START: &str = r#"(func (export "_start"))"#;

pub(super) fn attacks() -> Vec<Attack> {
    let tables = "(table 1 funcref)".repeat(100);
    let memories = "(memory 1)".repeat(10);
    let instances = "(core instance (instantiate $m))".repeat(1000);
    vec![
        transform(
            "memory page by page",
            "(loop (drop (memory.grow (i32.const 1))) (br 0)) unreachable",
            MEMORY,
        ),
        transform(
            "memory at a stroke",
            "(drop (memory.grow (i32.const 60000))) unreachable",
            MEMORY,
        ),
        command(
            "memory of 4 GiB from the start",
            &format!(r#"(memory (export "memory") 65536) {START}"#),
            MEMORY,
        ),
        command(
            "memories that are too large together",
            &format!(r#"(memory (export "memory") 600) (memory 600) {START}"#),
            MEMORY,
        ),
        transform_with(
            "table as memory",
            &format!(
                r#"{ALLOCATOR} (table $t 1 funcref)
                (func (export "transform") (param i32) (result i32)
                  (drop (memory.grow (i32.const 1020)))
                  (drop (table.grow $t (ref.null func) (i32.const 90000))) unreachable)"#
            ),
            MEMORY,
        ),
        transform_with(
            "table without end",
            &format!(
                r#"{ALLOCATOR} (table $t 1 funcref)
                (func (export "transform") (param i32) (result i32)
                  (loop (br_if 0 (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000))))) unreachable)"#
            ),
            "wasm `unreachable` instruction executed",
        ),
        command(
            "table of ten million",
            &format!(r#"(memory (export "memory") 1) (table 10000000 funcref) {START}"#),
            "minimum element size of 10000000 which exceeds the limit of 100000",
        ),
        command(
            "a hundred tables",
            &format!(r#"(memory (export "memory") 1) {tables} {START}"#),
            "tables",
        ),
        command(
            "ten memories",
            &format!(r#"(memory (export "memory") 1) {memories} {START}"#),
            "memories",
        ),
        raw(
            "memory of 64 bits",
            parse(r#"(module (memory (export "memory") i64 1) (func (export "_start")))"#),
            "memory64 must be enabled",
        ),
        raw(
            "memory shared with other threads",
            parse(r#"(module (memory (export "memory") 1 1 shared) (func (export "_start")))"#),
            "threads must be enabled",
        ),
        transform_with(
            "recursion",
            &format!(
                r#"{ALLOCATOR} (func $f (param i64) (result i64) (i64.add (local.get 0) (call $f (i64.add (local.get 0) (i64.const 1)))))
                (func (export "transform") (param i32) (result i32) (i32.wrap_i64 (call $f (i64.const 0))))"#
            ),
            "exhausted its call stack of 1024 KiB",
        ),
        command(
            "recursion in the start function",
            &format!(
                r#"(memory (export "memory") 1) (start $f) (func $f (call $f) (call $f)) {START}"#
            ),
            "exhausted its call stack",
        ),
        component(
            "a thousand instances",
            &format!("(core module $m) {instances}"),
            "1000 core module instances, which exceeds the configured maximum of 64",
        ),
        command(
            "data beyond the memory",
            &format!(
                r#"(memory (export "memory") 1) (data (i32.const 65530) "0123456789") {START}"#
            ),
            "out of bounds memory access",
        ),
        command(
            "elements beyond the table",
            &format!(
                r#"(memory (export "memory") 1) (table 1 funcref) (elem (i32.const 5) $f) (func $f) {START}"#
            ),
            "out of bounds table access",
        ),
    ]
}
