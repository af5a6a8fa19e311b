//! The plugin's side of the interface: there on WebAssembly only.
//!
//! It is written by hand after the canonical ABI, instead of generated: an instance lives for one call, so
//! nothing that is handed over is ever taken back, copied or cleaned up, and most of what a generator
//! emits is for just that. `wit/transformer.component-type` states the interface to the host; a test
//! holds it and the WIT file together.
#![expect(
    unsafe_code,
    reason = "the interface is one of memory: its rules are those of the component model"
)]

use std::panic::{self, PanicHookInfo};

use crate::{Entries, Error, Object, Result, run};

mod given;
mod heap;
mod host;
#[cfg(target_env = "p1")]
mod libc;
mod returned;
mod short;

pub use given::Given;
pub(crate) use host::{all_settings, setting, write_log};
pub use returned::Returned;
pub(crate) use short::owned;

/// What `#[transform]` does with the function's name: it becomes what the plugin exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($transform:ident) => {
        const _: () = {
            #[expect(unsafe_code, reason = "the host finds the export by its name")]
            #[unsafe(export_name = "transform")]
            extern "C" fn transform(
                given: &'static $crate::guest::Given,
            ) -> *const $crate::guest::Returned {
                $crate::guest::transform($transform, given)
            }
        };
    };
}

/// The interface, as whatever turns the module into a component reads it.
#[unsafe(link_section = "component-type:redis-sync:transform@0.1.0:transformer")]
#[used]
static INTERFACE: [u8; include_bytes!("../../wit/transformer.component-type").len()] =
    *include_bytes!("../../wit/transformer.component-type");

unsafe extern "C" {
    /// Sets up what the module's libraries need; made by the linker.
    fn __wasm_call_ctors();
}

/// One call from the host: the only one of its instance.
pub fn transform<E: Into<Error>>(
    transform: impl FnOnce(&Object) -> Result<Entries, E>,
    given: &'static Given,
) -> *const Returned {
    // SAFETY: it is called once, before anything else.
    unsafe { __wasm_call_ctors() };
    panic::set_hook(Box::new(log_panic));
    // SAFETY: this is the only call of the instance.
    let object = unsafe { given.object() };
    let result = run(transform, &object);
    #[cfg(target_env = "p1")]
    libc::end_line();
    Returned::of(result)
}

/// A panic ends in a trap, which has no message: this is the last chance to say why.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    match panic.location() {
        Some(location) => crate::error!("panicked at {location}: {message}"),
        None => crate::error!("panicked: {message}"),
    }
}
