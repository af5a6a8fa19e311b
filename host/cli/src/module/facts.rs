//! What a module says of itself, without being run.

use serde::Serialize;
use std::collections::BTreeMap;
use wasmparser::{Parser, Payload, TypeRef};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId, WorldItem};

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// What a module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Facts {
    /// `module` or `component`.
    pub(crate) form: &'static str,
    /// The interface of this project that it was built for, with its version.
    pub(crate) interface: Option<String>,
    /// What it imports: the interface, and how many functions of it.
    pub(crate) imports: BTreeMap<String, usize>,
    /// Linear memory that it starts with, in bytes.
    pub(crate) memory_bytes: u64,
}

impl Facts {
    /// Reads a module that the host has taken.
    pub(crate) fn of(module: &[u8]) -> anyhow::Result<Self> {
        let is_component = Parser::is_component(module);
        let mut facts = Self {
            form: if is_component { "component" } else { "module" },
            interface: interface(module, is_component),
            ..Self::default()
        };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) if !is_component => {
                    for import in imports.into_imports() {
                        let import = import?;
                        if matches!(import.ty, TypeRef::Func(_)) {
                            *facts.imports.entry(import.module.to_owned()).or_default() += 1;
                        }
                    }
                }
                Payload::ComponentImportSection(imports) if is_component => {
                    for import in imports {
                        facts.imports.insert(import?.name.name.to_owned(), 1);
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                        facts.memory_bytes = facts.memory_bytes.saturating_add(bytes);
                    }
                }
                _ => {}
            }
        }
        Ok(facts)
    }
}

/// The package of the interface that a module was built for.
fn interface(module: &[u8], is_component: bool) -> Option<String> {
    let (resolve, world) = if is_component {
        match wit_component::decode(module).ok()? {
            DecodedWasm::Component(resolve, world) => (resolve, world),
            DecodedWasm::WitPackage(..) => return None,
        }
    } else {
        let (_, bindgen) = wit_component::metadata::decode(module).ok()?;
        (bindgen.resolve, bindgen.world)
    };
    ours(&resolve, world)
}

/// Of the interfaces that a world imports, that of this project.
fn ours(resolve: &Resolve, world: WorldId) -> Option<String> {
    let imports = resolve.worlds.get(world)?.imports.values();
    let packages = imports.filter_map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces.get(*id)?.package,
        _ => None,
    });
    packages
        .filter_map(|package| resolve.packages.get(package))
        .map(|package| package.name.to_string())
        .find(|name| name.starts_with("redis-sync:"))
}
