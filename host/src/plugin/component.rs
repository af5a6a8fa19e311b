//! What becomes of a module before it is compiled: core modules that state the interface are made
//! components, components and programs stay as they are.

use super::{PluginError, bounds};
use std::borrow::Cow;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The custom section in which the SDK (any `wit-bindgen`) states the interface of a core module.
const INTERFACE_SECTION: &str = "component-type";

/// What core modules that state the interface are linked with. It takes its page of their memory through
/// their own allocator, which they export for the interface's sake, and so does not share it with one
/// that does not know.
pub(super) const ADAPTER: &[u8] = WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;

/// The allocator's export.
const ALLOCATOR: &str = "cabi_realloc";

/// A component or a program as it is, a core module that states the interface as a component. What is
/// too large to be compiled is refused.
pub(super) fn prepare(module: &[u8]) -> Result<Cow<'_, [u8]>, PluginError> {
    bounds::check(module)?;
    if Parser::is_component(module) {
        return Ok(Cow::Borrowed(module));
    }
    match kind(module)? {
        Kind::Program => Ok(Cow::Borrowed(module)),
        Kind::Library {
            has_allocator: true,
        } => encode(module).map(Cow::Owned),
        Kind::Library { .. } => Err(PluginError::invalid(
            "it states an interface, but exports no allocator (`cabi_realloc`) for what it is given",
        )),
        Kind::Neither => Err(PluginError::invalid(
            "it is neither built with redis-sync-guest (no `component-type` section) nor a WASI program (no `_start`)",
        )),
    }
}

enum Kind {
    /// It states the interface.
    Library {
        has_allocator: bool,
    },
    Program,
    Neither,
}

fn kind(module: &[u8]) -> Result<Kind, PluginError> {
    let (mut states_interface, mut starts, mut has_allocator) = (false, false, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(PluginError::malformed)? {
            Payload::CustomSection(section) if section.name().starts_with(INTERFACE_SECTION) => {
                states_interface = true;
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.map_err(PluginError::malformed)?;
                    starts |= export.name == "_start";
                    has_allocator |= export.name == ALLOCATOR;
                }
            }
            _ => {}
        }
    }
    Ok(match (states_interface, starts) {
        (true, _) => Kind::Library { has_allocator },
        (false, true) => Kind::Program,
        (false, false) => Kind::Neither,
    })
}

fn encode(module: &[u8]) -> Result<Vec<u8>, PluginError> {
    let encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, ADAPTER))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| PluginError::invalid(format!("it cannot be made a component: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(wat: &str) -> String {
        prepare(&wat::parse_str(wat).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_component_stays_as_it_is() {
        let component = wat::parse_str("(component)").unwrap();
        assert!(matches!(prepare(&component).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn a_wasi_program_stays_as_it_is() {
        let program =
            wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
                .unwrap();
        assert!(matches!(prepare(&program).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn what_states_an_interface_without_an_allocator_is_refused() {
        let refused =
            message(r#"(module (@custom "component-type:x" "") (memory (export "memory") 1))"#);
        assert!(
            refused.contains("exports no allocator (`cabi_realloc`)"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_plugin_is_refused_with_the_reason() {
        assert!(
            prepare(b"hello")
                .unwrap_err()
                .to_string()
                .contains("not a WebAssembly module")
        );
        assert!(message("(module)").contains("neither built with redis-sync-guest"));
    }
}
