//! The guests, as they are uploaded.

use redis_sync_local::S3;
use std::path::{Path, PathBuf};

/// Where the build script put them.
pub(crate) const FOLDER: &str = env!("GUESTS");

/// The compiled module of a guest, by its package's name.
///
/// # Panics
///
/// Where there is no such guest.
pub fn module(package: &str) -> Vec<u8> {
    let path = path(package);
    std::fs::read(&path).unwrap_or_else(|error| panic!("no guest at {}: {error}", path.display()))
}

/// Where the compiled module of a guest is.
pub fn path(package: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{}.wasm", package.replace('-', "_")))
}

/// The guest that does what its object says.
///
/// # Panics
///
/// As [`module`].
pub fn scripted() -> Vec<u8> {
    module("scripted")
}

/// The same in a variant that puts `letters`, up to four, before every key it yields.
///
/// # Panics
///
/// Where there are more letters.
pub fn scripted_variant(letters: &str) -> Vec<u8> {
    const MARKER: &[u8] = b"@@VARIANT=....@@";
    assert!(letters.len() <= 4, "a variant has up to four letters");
    let mut module = scripted();
    let at = module
        .windows(MARKER.len())
        .position(|window| window == MARKER);
    let start = at.expect("the scripted guest has its marker") + b"@@VARIANT=".len();
    module[start..start + letters.len()].copy_from_slice(letters.as_bytes());
    module
}

/// Puts the scripted guest where it transforms everything under `flags/`.
pub fn upload(s3: &S3) {
    s3.put("plugins/flags.wasm", scripted());
}
