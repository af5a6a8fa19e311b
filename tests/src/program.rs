//! The binaries under test.

use redis_sync::plugin::{CompileLimits, Compiler};
use std::path::PathBuf;
use std::time::Duration;

/// The real Lambda binary, which is built beside whatever runs this.
///
/// # Panics
///
/// Where it has not been built.
pub fn bootstrap() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows where it is");
    // Tests are in `deps`, beside which the binaries are.
    let folder = this
        .ancestors()
        .skip(1)
        .find(|folder| folder.join("bootstrap").is_file());
    let folder = folder.unwrap_or_else(|| {
        panic!(
            "no `bootstrap` beside {}: run `cargo build --workspace --bins` first, or `make test`",
            this.display()
        )
    });
    folder.join("bootstrap")
}

/// A compiler whose child is that binary, with a quarter of an hour and 2 GiB to spare.
#[must_use]
pub fn compiler() -> Compiler {
    let limits = CompileLimits {
        memory_bytes: 2 << 30,
        processor: Duration::from_secs(900),
    };
    Compiler::new(bootstrap(), limits)
}
