//! What reaches for the host.

use super::{Attack, command, component, transform_with};

/// Exports `run` of the core instance `$i` as a program's entrance.
const ENTRANCE: &str = r#"
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $entrance (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $entrance))"#;

/// Imports of pollables and the clock that hands them out.
const CLOCK: &str = r#"
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $it)) (export "pollable" (type $p (eq $it)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (core func $wait (canon lower (func $clock "subscribe-duration")))"#;

pub(super) fn attacks() -> Vec<Attack> {
    vec![
        command(
            "import that is not offered",
            r#"(import "env" "launch" (func)) (memory (export "memory") 1) (func (export "_start"))"#,
            "env",
        ),
        component(
            "import of an HTTP client",
            r#"(import "wasi:http/outgoing-handler@0.2.0" (instance (export "handle" (func)))) (core module $m (func (export "run") (result i32) (i32.const 0))) (core instance $i (instantiate $m))"#,
            "needs an import that is not offered",
        ),
        command(
            "opening a file",
            r#"(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "etc/passwd")
            (func (export "_start")
              (if (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 64))
                (then unreachable)))"#,
            "wasm `unreachable`",
        ),
        command(
            "sending through every descriptor",
            r#"(import "wasi_snapshot_preview1" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\04\00\00\00")
            (func (export "_start") (local $descriptor i32)
              (loop
                (if (i32.eqz (call $send (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8)))
                  (then (return)))
                (br_if 0 (i32.lt_u (local.tee $descriptor (i32.add (local.get $descriptor) (i32.const 1))) (i32.const 1000))))
              unreachable)"#,
            "wasm `unreachable`",
        ),
        command(
            "random numbers by the megabyte",
            r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 200)
            (func (export "_start") (drop (call $random (i32.const 0) (i32.const 10000000))))"#,
            "asked for more than 1048576 random bytes at a time",
        ),
        component(
            "handles without end",
            &format!(
                r#"{CLOCK} (core module $m (import "h" "wait" (func $wait (param i64) (result i32)))
                  (func (export "run") (result i32) (loop (drop (call $wait (i64.const 1))) (br 0)) unreachable))
                (core instance $i (instantiate $m (with "h" (instance (export "wait" (func $wait)))))) {ENTRANCE}"#
            ),
            "has more than 10000 handles open at a time",
        ),
        component(
            "handle of another",
            &format!(
                r#"{CLOCK} (core func $drop (canon resource.drop $pollable))
                (core module $m (import "h" "drop" (func $drop (param i32)))
                  (func (export "run") (result i32) (call $drop (i32.const 7)) (i32.const 0)))
                (core instance $i (instantiate $m (with "h" (instance (export "drop" (func $drop)))))) {ENTRANCE}"#
            ),
            "unknown handle index 7",
        ),
        component(
            "poll of a list without end",
            &format!(
                r#"{CLOCK} (core module $memory (memory (export "memory") 1)
                  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
                (core instance $store (instantiate $memory))
                (core func $wait_all (canon lower (func $poll "poll") (memory (core memory $store "memory")) (realloc (core func $store "realloc"))))
                (core module $m (import "h" "poll" (func $poll (param i32 i32 i32)))
                  (func (export "run") (result i32) (call $poll (i32.const 0) (i32.const 1000000000) (i32.const 0)) (i32.const 0)))
                (core instance $i (instantiate $m (with "h" (instance (export "poll" (func $wait_all)))))) {ENTRANCE}"#
            ),
            "trapped",
        ),
        component(
            "zeroes by the exabyte",
            &format!(
                r#"(import "wasi:io/error@0.2.0" (instance $errors (export "error" (type $error (sub resource)))))
                (alias export $errors "error" (type $failed))
                (import "wasi:io/streams@0.2.0" (instance $streams
                  (export "output-stream" (type $out (sub resource)))
                  (alias outer 1 $failed (type $known)) (export "error" (type $error (eq $known)))
                  (type $why (variant (case "last-operation-failed" (own $error)) (case "closed")))
                  (export "stream-error" (type $e (eq $why)))
                  (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $out)) (param "len" u64) (result (result (error $e)))))))
                (alias export $streams "output-stream" (type $out))
                (import "wasi:cli/stdout@0.2.0" (instance $stdout
                  (alias outer 1 $out (type $it)) (export "output-stream" (type $o (eq $it)))
                  (export "get-stdout" (func (result (own $o))))))
                (core module $memory (memory (export "memory") 1))
                (core instance $store (instantiate $memory))
                (core func $get (canon lower (func $stdout "get-stdout")))
                (core func $zeroes (canon lower (func $streams "[method]output-stream.write-zeroes") (memory (core memory $store "memory"))))
                (core module $m (import "h" "get" (func $get (result i32))) (import "h" "zeroes" (func $zeroes (param i32 i64 i32)))
                  (func (export "run") (result i32) (call $zeroes (call $get) (i64.const -1) (i32.const 0)) (i32.const 0)))
                (core instance $i (instantiate $m (with "h" (instance (export "get" (func $get)) (export "zeroes" (func $zeroes)))))) {ENTRANCE}"#
            ),
            "cannot write more zeroes than `check_write` allows",
        ),
        transform_with(
            "no allocator",
            r#"(func (export "transform") (param i32) (result i32) (i32.const 0))"#,
            "cabi_realloc",
        ),
        command(
            "neither transform nor program",
            r#"(memory (export "memory") 1) (func (export "main"))"#,
            "neither built with redis-sync-guest",
        ),
        component(
            "component without an export",
            "",
            "exports neither `transform`",
        ),
    ]
}
