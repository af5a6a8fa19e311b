//! Core modules into components.

use super::{PluginError, bounds};
use std::borrow::Cow;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The custom section in which the SDK (any `wit-bindgen`) states the interface of a core module.
const INTERFACE_SECTION: &str = "component-type";

/// What core modules are linked with.
pub(super) const ADAPTERS: [&[u8]; 2] = [
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
];

/// A component as it is; a core module with the adapter that its kind needs. What is too large to
/// be compiled is refused.
pub(super) fn from_module(module: &[u8]) -> Result<Cow<'_, [u8]>, PluginError> {
    bounds::check(module)?;
    if Parser::is_component(module) {
        return Ok(Cow::Borrowed(module));
    }
    let adapter = match kind(module)? {
        Kind::Reactor => WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        Kind::Command => WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        Kind::Neither => {
            return Err(PluginError::invalid(
                "it is neither built with redis-sync-guest (no `component-type` section) nor a WASI program (no `_start`)",
            ));
        }
    };
    encode(module, adapter).map(Cow::Owned)
}

enum Kind {
    Reactor,
    Command,
    Neither,
}

fn kind(module: &[u8]) -> Result<Kind, PluginError> {
    let mut command = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(PluginError::malformed)? {
            Payload::CustomSection(section) if section.name().starts_with(INTERFACE_SECTION) => {
                return Ok(Kind::Reactor);
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.map_err(PluginError::malformed)?;
                    command |= export.name == "_start";
                }
            }
            _ => {}
        }
    }
    Ok(if command {
        Kind::Command
    } else {
        Kind::Neither
    })
}

fn encode(module: &[u8], adapter: &[u8]) -> Result<Vec<u8>, PluginError> {
    let encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| PluginError::invalid(format!("it cannot be made a component: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(wat: &str) -> String {
        from_module(&wat::parse_str(wat).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_component_stays_as_it_is() {
        let component = wat::parse_str("(component)").unwrap();
        assert!(matches!(from_module(&component).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn a_wasi_program_becomes_a_component() {
        let program =
            wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
                .unwrap();
        assert!(Parser::is_component(&from_module(&program).unwrap()));
    }

    #[test]
    fn what_is_no_plugin_is_refused_with_the_reason() {
        assert!(
            from_module(b"hello")
                .unwrap_err()
                .to_string()
                .contains("not a WebAssembly module")
        );
        assert!(message("(module)").contains("neither built with redis-sync-guest"));
        let import = message(
            r#"(module (import "env" "launch" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
        );
        assert!(import.contains("env"), "{import}");
    }
}
