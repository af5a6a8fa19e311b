//! What never ends, in every position in which a guest's code runs.

use super::{ALLOCATOR, Attack, command, transform, transform_with};

/// The reason where fuel ends it.
const FUEL: &str = "used up its 20000000 fuel";

/// The reason where time ends it, since it is the host that works.
const TIME: &str = "ran longer than 2000 ms";

/// The reason where guest and host both work: what ends it first depends on the machine.
const FUEL_OR_TIME: &str = "used up its 20000000 fuel|ran longer than 2000 ms";

/// A transform that yields nothing.
const NOTHING: &str = r#"(func (export "transform") (param i32) (result i32) (i32.const 1024))"#;

pub(super) fn attacks() -> Vec<Attack> {
    vec![
        transform("loop", "(loop (br 0)) unreachable", FUEL),
        transform_with(
            "loop in the allocator",
            &format!(
                r#"{NOTHING} (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable)"#
            ),
            FUEL,
        ),
        transform_with(
            "loop after the result",
            &format!(
                r#"{ALLOCATOR} {NOTHING} (func (export "cabi_post_transform") (param i32) (loop (br 0)))"#
            ),
            FUEL,
        ),
        transform_with(
            "loop in initialisation",
            &format!(r#"{ALLOCATOR} {NOTHING} (func (export "_initialize") (loop (br 0)))"#),
            FUEL,
        ),
        transform_with(
            "loop of tail calls",
            &format!(
                r#"{ALLOCATOR} (func $a (result i32) (return_call $b)) (func $b (result i32) (return_call $a))
                (func (export "transform") (param i32) (result i32) (call $a))"#
            ),
            FUEL,
        ),
        transform_with(
            "loop of indirect calls",
            &format!(
                r#"{ALLOCATOR} (type $t (func)) (table 1 funcref) (elem (i32.const 0) $f) (func $f)
                (func (export "transform") (param i32) (result i32)
                  (loop (call_indirect (type $t) (i32.const 0)) (br 0)) unreachable)"#
            ),
            FUEL,
        ),
        command(
            "loop in the start function",
            r#"(memory (export "memory") 1) (start $f) (func $f (loop (br 0))) (func (export "_start"))"#,
            FUEL,
        ),
        command(
            "loop in a program",
            r#"(memory (export "memory") 1) (func (export "_start") (loop (br 0)))"#,
            FUEL,
        ),
        transform(
            "copying for ever",
            "(drop (memory.grow (i32.const 400))) (loop (memory.copy (i32.const 0) (i32.const 8) (i32.const 20000000)) (br 0)) unreachable",
            FUEL_OR_TIME,
        ),
        transform(
            "filling for ever",
            "(drop (memory.grow (i32.const 400))) (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 20000000)) (br 0)) unreachable",
            FUEL_OR_TIME,
        ),
        transform(
            "flood of log lines",
            "(loop (call $log (i32.const 2) (i32.const 0) (i32.const 65536)) (br 0)) unreachable",
            FUEL_OR_TIME,
        ),
        command(
            "flood of stderr",
            r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\00\80\00\00")
            (func (export "_start") (loop (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0)))"#,
            FUEL_OR_TIME,
        ),
        command(
            "polling for years",
            r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
              (i32.store (i32.const 16) (i32.const 1))
              (i64.store (i32.const 24) (i64.const 31536000000000000))
              (loop (drop (call $poll (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 512))) (br 0)))"#,
            FUEL_OR_TIME,
        ),
        command(
            "asking for random numbers for ever",
            r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 20)
            (func (export "_start") (loop (drop (call $random (i32.const 0) (i32.const 1000000))) (br 0)))"#,
            TIME,
        ),
    ]
}
