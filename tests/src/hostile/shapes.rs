//! Modules that are large or deep in one way.

use super::{Attack, command, component, raw};

/// A program that does nothing.
const PROGRAM: &str = r#"(memory (export "memory") 1) (func (export "_start"))"#;

pub(super) fn attacks() -> Vec<Attack> {
    let long = "n".repeat(1 << 20);
    let locals = "i64 ".repeat(60_000);
    let blocks = format!("{}{}", "block ".repeat(100_000), "end ".repeat(100_000));
    vec![
        command(
            "import with a name of a megabyte",
            &format!(r#"(import "{long}" "f" (func)) {PROGRAM}"#),
            "string size out of bounds",
        ),
        command(
            "export with a name of a megabyte",
            &format!(r#"{PROGRAM} (func (export "{long}"))"#),
            "not valid WebAssembly",
        ),
        raw("components within one another", nested(1200), "inside"),
        component("bomb of types", &type_bomb(), "type size"),
        command(
            "60,000 locals",
            &format!("{PROGRAM} (func (local {locals}))"),
            "too many locals",
        ),
        command(
            "function of megabytes",
            &format!("{PROGRAM} (func {})", "nop ".repeat(2 << 20)),
            "more bytes in one function than the 1048576 that are compiled",
        ),
        command(
            "more functions than are compiled",
            &format!("{PROGRAM} {}", "(func)".repeat(100_001)),
            "more functions than the 100000 that are compiled",
        ),
        command(
            "100,000 blocks within one another",
            &format!(
                r#"(memory (export "memory") 1) (func (export "_start") {blocks} unreachable)"#
            ),
            "more blocks within one another than the 10000 that are compiled",
        ),
        command(
            "function with too many parameters",
            &format!("{PROGRAM} (func (param {}))", "i32 ".repeat(2000)),
            "param",
        ),
    ]
}

/// Each type holds the one before it twice: 2^40 fields in a kilobyte.
fn type_bomb() -> String {
    (1..40).fold("(type $t0 (tuple u8 u8))".to_owned(), |types, level| {
        let before = level - 1;
        format!("{types} (type $t{level} (tuple $t{before} $t{before}))")
    })
}

/// Components within one another, so many.
fn nested(depth: usize) -> Vec<u8> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    (1..depth).fold(COMPONENT.to_vec(), |inner, _| {
        let mut length = inner.len();
        let mut outer = [COMPONENT, &[4]].concat();
        while length >= 128 {
            outer.push(length.to_le_bytes()[0] | 128);
            length >>= 7;
        }
        outer.push(length.to_le_bytes()[0]);
        [outer, inner].concat()
    })
}
