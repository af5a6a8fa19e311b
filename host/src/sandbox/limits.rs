//! What a run may use at most, whatever its route says.

/// Native stack a guest may use, in bytes; a quarter of what its thread has.
pub(super) const MAX_WASM_STACK: usize = 1 << 20;

/// Handles a guest may have open at a time: streams, pollables, errors.
pub(super) const MAX_HANDLES: usize = 10_000;

/// Random bytes a guest may ask for at a time.
pub(super) const MAX_RANDOM_BYTES: u64 = 1 << 20;
