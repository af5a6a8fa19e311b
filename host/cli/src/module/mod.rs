//! Modules in files.

mod facts;

pub(crate) use facts::Facts;

use crate::problem::problem;
use anyhow::Result;
use bytes::Bytes;
use redis_sync::fingerprint::sha256;
use redis_sync::plugin::MAX_MODULE_BYTES;
use std::path::Path;

/// A module.
#[derive(Clone, Debug)]
pub(crate) struct ModuleFile {
    /// The name it has among the plugins.
    pub(crate) name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub(crate) digest: String,
    /// The bytes.
    pub(crate) bytes: Bytes,
}

impl ModuleFile {
    /// Reads a file. Its name is the plugin's.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let next = if path.is_dir() {
            "that is a folder: `redis-sync build` builds its module, and says where it is"
        } else {
            "`redis-sync build` builds a module, and says where it is"
        };
        let cannot = |error: std::io::Error| {
            problem(
                format!("the module {} cannot be read: {error}", path.display()),
                next,
            )
        };
        let size = std::fs::metadata(path).map_err(cannot)?.len();
        if size > MAX_MODULE_BYTES {
            return Err(problem(
                format!(
                    "the module {} has {size} bytes, more than the {MAX_MODULE_BYTES} that are loaded",
                    path.display()
                ),
                "strip it, and build it for size",
            ));
        }
        let bytes: Bytes = std::fs::read(path).map_err(cannot)?.into();
        Ok(Self {
            name: name(path),
            digest: sha256(&bytes),
            bytes,
        })
    }

    /// The same module as the plugin `name`.
    pub(crate) fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
