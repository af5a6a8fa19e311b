//! What hands over too much, or what is not there. Results are laid out as the component model
//! says: at 1024 the result (0, then address and number of the entries), an entry in 40 bytes (key
//! 8, value: kind 4 and 8, time to live 16).

use super::{ALLOCATOR, Attack, command, transform, transform_importing, transform_with};

/// Stores the result: `count` entries from `address` on.
fn result(address: u32, count: u32) -> String {
    format!(
        "(i32.store (i32.const 1028) (i32.const {address})) (i32.store (i32.const 1032) (i32.const {})) (i32.const 1024)",
        count.cast_signed()
    )
}

/// Stores one entry at 2048: its key and its value.
fn entry(key: (u32, u32), kind: u32, value: (u32, u32)) -> String {
    [key.0, key.1, kind, value.0, value.1]
        .iter()
        .zip((2048_u32..).step_by(4))
        .map(|(word, at)| {
            format!(
                "(i32.store (i32.const {at}) (i32.const {}))",
                word.cast_signed()
            )
        })
        .collect()
}

/// One entry of that key and value.
fn single(
    name: &'static str,
    key: (u32, u32),
    kind: u32,
    value: (u32, u32),
    reason: &'static str,
) -> Attack {
    let body = format!(
        "(i32.store8 (i32.const 3000) (i32.const 107)) {} {}",
        entry(key, kind, value),
        result(2048, 1)
    );
    transform(name, &body, reason)
}

/// The key `k`, which [`single`] stores.
const KEY: (u32, u32) = (3000, 1);

/// `number` entries or elements from 131072 on, in fresh memory.
fn many(pages: u32, rest: &str) -> String {
    format!("(drop (memory.grow (i32.const {pages}))) {rest}")
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut attacks = vec![
        transform("4 GiB of entries", &result(0, u32::MAX), "trapped"),
        transform("entries beyond the memory", &result(0xFFFF_FF00, 2), "trapped"),
        transform("entries at an odd address", &result(3, 1), "trapped"),
        transform("result beyond the memory", "(i32.const -16)", "trapped"),
        transform("result of neither kind", "(i32.store8 (i32.const 1024) (i32.const 9)) (i32.const 1024)", "trapped"),
        transform(
            "a million entries",
            &many(660, &result(131_072, 1_000_000)),
            "returned more than 4194304 bytes",
        ),
        single("no key", (0, 0), 0, (0, 1), "empty"),
        single("key beyond the memory", (0xFFFF_0000, 0xFFFF), 0, (0, 1), "trapped"),
        single("value of no kind", KEY, 77, (0, 1), "trapped"),
        single("value of 4 GiB", KEY, 0, (0, u32::MAX), "trapped"),
        single("key of 60,000 bytes", (4096, 60_000), 0, (0, 1), "more than 16384"),
        transform(
            "key that is not UTF-8",
            &format!(
                "(i32.store (i32.const 3000) (i32.const -1)) {} {}",
                entry((3000, 4), 0, (0, 1)),
                result(2048, 1)
            ),
            "trapped",
        ),
        transform(
            "one body as many values",
            &many(
                700,
                &format!(
                    "(local.set $at (i32.const 131072))
                    (loop
                      (i32.store (local.get $at) (i32.const 131072)) (i32.store offset=4 (local.get $at) (i32.const 8))
                      (i32.store offset=12 (local.get $at) (i32.const 131072)) (i32.store offset=16 (local.get $at) (i32.const 40000000))
                      (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 40))) (i32.const 40131072))))
                    {}",
                    result(131_072, 1_000_000)
                ),
            ),
            "returned more than 4194304 bytes",
        ),
        transform(
            "more output than the limit",
            &many(
                100,
                &format!(
                    "(i32.store8 (i32.const 3000) (i32.const 107)) {} {}",
                    entry(KEY, 0, (0, 5_000_000)),
                    result(2048, 1)
                ),
            ),
            "returned more than 4194304 bytes",
        ),
        transform(
            "a list of a million nothings",
            &many(600, &format!("(i32.store8 (i32.const 3000) (i32.const 107)) {} {}", entry(KEY, 2, (131_072, 1_100_000)), result(2048, 1))),
            "elements",
        ),
    ];
    attacks.extend(programs());
    attacks.extend(documents());
    attacks.extend(allocators());
    attacks
}

/// Programs whose stdout or status is not what it should be.
fn programs() -> [Attack; 5] {
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)"#;
    [
        command(
            "flood of stdout",
            r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\00\80\00\00")
            (func (export "_start") (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0)))"#,
            "returned more than 4194304 bytes",
        ),
        command(
            "exit with a status",
            &format!(r#"{exit} (func (export "_start") (call $exit (i32.const 3)))"#),
            "exited with a status other than 0",
        ),
        command(
            "trap in a program",
            r#"(memory (export "memory") 1) (func (export "_start") unreachable)"#,
            "wasm `unreachable` instruction executed",
        ),
        transform_importing(
            "exit instead of a result",
            r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#,
            &format!(
                r#"{ALLOCATOR} (func (export "transform") (param i32) (result i32) (call $exit (i32.const 0)) unreachable)"#
            ),
            "exited with status 0 instead of returning",
        ),
        command(
            "exit in the start function",
            &format!(
                r#"{exit} (start $f) (func $f (call $exit (i32.const 7))) (func (export "_start"))"#
            ),
            "exited with a status other than 0",
        ),
    ]
}

/// Programs whose entries documents have too much of one thing.
fn documents() -> [Attack; 2] {
    const TIMES: usize = 110;
    let empty = r#"{"key":"","type":"set","value":[]}"#;
    [
        document(
            "a document of a million nothings",
            [r#"[{"key":"k","type":"list","value":[""#, r#""]}]"#],
            (&r#"",""#.repeat(10_000), TIMES),
            "elements in all its entries, more than 1000000",
        ),
        document(
            "a document of too many entries",
            [&format!("[{empty}"), "]"],
            (&format!(",{empty}").repeat(500), TIMES),
            "entries are more than 50000",
        ),
    ]
}

/// A program that writes a document: its head, a piece of it so many times, and its tail.
fn document(
    name: &'static str,
    [head, tail]: [&str; 2],
    (piece, times): (&str, usize),
    reason: &'static str,
) -> Attack {
    let texts = [(64, head), (256, tail), (1024, piece)];
    let data = texts.map(|(at, text)| {
        let text = text.replace('"', r#"\""#);
        format!(r#"(data (i32.const {at}) "{text}")"#)
    });
    let say = texts.map(|(at, text)| {
        let length = text.len();
        format!("(call $say (i32.const {at}) (i32.const {length}))")
    });
    let ([head, tail, piece], data) = (say, data.concat());
    let program = format!(
        r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) {data}
        (func $say (param i32 i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
        (func (export "_start") (local $left i32)
          {head} (local.set $left (i32.const {times}))
          (loop {piece} (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
          {tail})"#
    );
    Attack {
        output: "entries",
        ..command(name, &program, reason)
    }
}

/// Allocators that fail, or lie.
fn allocators() -> [Attack; 4] {
    let allocator = |name, body: &str, reason| {
        let fields = format!(
            r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {body})
            (func (export "transform") (param i32) (result i32) {})"#,
            result(0, 0)
        );
        transform_with(name, &fields, reason)
    };
    [
        allocator("trap while allocating", "unreachable", "wasm `unreachable`"),
        allocator("allocation beyond the memory", "(i32.const -8)", "trapped"),
        allocator("allocation at an odd address", "(i32.const 3)", "trapped"),
        transform_with(
            "division by zero",
            &format!(
                r#"{ALLOCATOR} (func (export "transform") (param i32) (result i32) (i32.div_u (i32.const 1) (i32.const 0)))"#
            ),
            "integer divide by zero",
        ),
    ]
}
