//! The harness of the end-to-end tests: guests compiled from source, the real `bootstrap` binary,
//! and what Redis holds in the end.

pub mod bookkeeping;
pub mod compiled;
pub mod confined;
pub mod connection;
pub mod figures;
mod frame;
pub mod gate;
pub mod guest;
pub mod held;
pub mod host;
pub mod hostile;
pub mod nhs;
pub mod program;
pub mod proxy;
pub mod snapshot;
pub mod target;
pub mod turnstile;
