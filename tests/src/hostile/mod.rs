//! The hostile collection: modules that are an attack or an accident, and what is said of each.

mod binaries;
mod bombs;
mod endless;
mod outputs;
mod shapes;
mod spaces;
mod system;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// One module.
#[derive(Debug)]
pub struct Attack {
    /// What it does, in a few words.
    pub name: &'static str,
    /// The module.
    pub module: Vec<u8>,
    /// What its stdout is, where it is a program: `value` or `entries`.
    pub output: &'static str,
    /// What the reason of its failure contains; one of several where `|` parts them.
    pub reason: &'static str,
}

/// All of them.
#[must_use]
pub fn collection() -> Vec<Attack> {
    [
        endless::attacks(),
        spaces::attacks(),
        outputs::attacks(),
        system::attacks(),
        bombs::attacks(),
        shapes::attacks(),
        binaries::attacks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the transforms of the collection begin with: a memory, the import of the log, and an
/// allocator that gives out ever new memory.
const PRELUDE: &str = r#"
  (import "redis-sync:transform/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 65536))"#;

/// The allocator, for transforms that do not bring their own.
const ALLOCATOR: &str = r#"
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
    (local.set 4 (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))
    (local.get 4))"#;

/// A transform whose function has this body; it leaves the address of its result.
fn transform(name: &'static str, body: &str, reason: &'static str) -> Attack {
    let function =
        format!(r#"(func (export "transform") (param i32) (result i32) (local $at i32) {body})"#);
    transform_with(name, &format!("{ALLOCATOR}{function}"), reason)
}

/// A transform with these fields besides memory and log.
fn transform_with(name: &'static str, fields: &str, reason: &'static str) -> Attack {
    transform_importing(name, "", fields, reason)
}

/// A transform with these imports and fields besides memory and log.
fn transform_importing(
    name: &'static str,
    imports: &str,
    fields: &str,
    reason: &'static str,
) -> Attack {
    let mut module = parse(&format!("(module {imports} {PRELUDE} {fields})"));
    let mut interface = Resolve::default();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/wit");
    let (package, _) = interface.push_dir(path).expect("the interface parses");
    let world = interface
        .select_world(&[package], Some("transformer"))
        .expect("it has the world");
    wit_component::embed_component_metadata(&mut module, &interface, world, StringEncoding::UTF8)
        .expect("a module takes a custom section");
    raw(name, module, reason)
}

/// A WASI program with these fields besides its memory.
fn command(name: &'static str, fields: &str, reason: &'static str) -> Attack {
    let text = format!(r#"(module {fields})"#);
    raw(name, parse(&text), reason)
}

/// A component.
fn component(name: &'static str, fields: &str, reason: &'static str) -> Attack {
    raw(name, parse(&format!("(component {fields})")), reason)
}

fn raw(name: &'static str, module: Vec<u8>, reason: &'static str) -> Attack {
    Attack {
        name,
        module,
        output: "value",
        reason,
    }
}

fn parse(text: &str) -> Vec<u8> {
    match wat::parse_str(text) {
        Ok(module) => module,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_attack_has_a_name_of_its_own_and_a_reason() {
        let attacks = collection();
        let names: BTreeSet<&str> = attacks.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), attacks.len());
        assert!(attacks.iter().all(|attack| !attack.reason.is_empty()));
    }
}
