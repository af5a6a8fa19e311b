//! Machine code of the guests, made once for all functions of a test run: an unoptimised host takes
//! more than a second to compile one, which is most of what most tests would do.

use crate::guest;
use parking_lot::Mutex;
use redis_sync::{fingerprint::sha256, plugin::precompile};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The modules that were compiled by this process, by their digests.
static COMPILED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// A folder for `COMPILED_DIR` that has the machine code of this module, and of others.
///
/// # Panics
///
/// Where the module cannot be compiled.
pub fn folder_with(module: &[u8]) -> PathBuf {
    let folder = Path::new(guest::FOLDER).join("compiled");
    let mut compiled = COMPILED.lock();
    if compiled.insert(sha256(module)) {
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("no folder {}: {error}", folder.display()));
        precompile(module, &folder).unwrap_or_else(|error| panic!("not compiled: {error}"));
    }
    folder
}

/// The variable that leads a function to the machine code of the scripted guest.
///
/// # Panics
///
/// As [`folder_with`].
pub fn variable() -> (String, String) {
    let folder = folder_with(&guest::scripted());
    ("COMPILED_DIR".to_owned(), folder.display().to_string())
}

/// The scripted guest in the variant that puts `letters` before its keys; its machine code is in the
/// folder too.
///
/// # Panics
///
/// As [`folder_with`].
pub fn variant(letters: &str) -> Vec<u8> {
    let module = guest::scripted_variant(letters);
    folder_with(&module);
    module
}
