//! The interface of plugins, generated from the one statement of it.

wasmtime::component::bindgen!({
    path: "../guest-sdk/wit",
    world: "transformer",
    ownership: Borrowing { duplicate_if_necessary: true },
});
