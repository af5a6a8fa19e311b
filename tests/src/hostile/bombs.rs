//! A few kilobytes that take gigabytes, minutes or the whole stack to compile.

use super::{Attack, command, component, parse, raw};

/// A program that does nothing.
const PROGRAM: &str = r#"(memory (export "memory") 1) (func (export "_start"))"#;

pub(super) fn attacks() -> Vec<Attack> {
    let wide = "i32 ".repeat(1000);
    let blocks = "(block (type $wide) unreachable)".repeat(500);
    let calls = "call $give call $take ".repeat(1000);
    let types: String = (0..1000)
        .map(|number| {
            let (long, short) = ("i64 ".repeat(number), "i32 ".repeat(1000 - number));
            format!("(type (func (param {long} {short})))")
        })
        .collect();
    vec![
        raw(
            "3,000 component types within one another",
            deep_types(3000),
            "nests too deep|exports neither",
        ),
        raw(
            "300,000 component types within one another",
            deep_types(300_000),
            "nests too deep",
        ),
        raw(
            "the same in a core module's interface section",
            core_with_interface(&deep_types(300_000)),
            "nests too deep",
        ),
        component(
            "components that instantiate components",
            &instances(900, 6),
            "compiling it took more than",
        ),
        command(
            "500 blocks of 1,000 results",
            &format!(
                r#"(type $wide (func (result {wide}))) (memory (export "memory") 1)
                (func (export "_start") {blocks} unreachable)"#
            ),
            "parameters or results of one function",
        ),
        command(
            "1,000 calls of 1,000 parameters",
            &format!(
                r#"(memory (export "memory") 1) (func $give (result {wide}) unreachable)
                (func $take (param {wide})) (func (export "_start") {calls})"#
            ),
            "parameters or results of one function",
        ),
        command(
            "1,000 wide types and an empty function",
            &format!("{types} {PROGRAM}"),
            "parameters or results of one function",
        ),
    ]
}

/// A component whose type section has a component type in a component type, so deep.
fn deep_types(depth: usize) -> Vec<u8> {
    let types = [[0x41, 1, 1].repeat(depth), vec![0x41, 0]].concat();
    let section = [vec![1], types].concat();
    [
        b"\0asm\x0d\0\x01\0".as_slice(),
        &[7],
        &leb128(section.len()),
        &section,
    ]
    .concat()
}

/// A core module that states this component as its interface.
fn core_with_interface(interface: &[u8]) -> Vec<u8> {
    let name = b"component-type:bomb";
    let section = [&leb128(name.len()), name.as_slice(), interface].concat();
    // An allocator, without which the interface would not be read.
    let module = parse(r#"(module (func (export "cabi_realloc")))"#);
    [&module, &[0][..], &leb128(section.len()), &section].concat()
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 128 {
        bytes.push(number.to_le_bytes()[0] | 128);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// Each component instantiates the one before it so often.
fn instances(each: usize, levels: usize) -> String {
    let instantiate = "(instance (instantiate 0))".repeat(each);
    let levels = (0..levels)
        .map(|level| format!("(component (alias outer 1 {level} (component)) {instantiate})"));
    let first = "(component (core module) (core instance (instantiate 0)))".to_owned();
    let all: Vec<String> = std::iter::once(first).chain(levels).collect();
    format!(
        "{} (instance (instantiate {}))",
        all.join(" "),
        all.len() - 1
    )
}
