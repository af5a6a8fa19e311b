//! The binaries under test.

use std::path::PathBuf;

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
