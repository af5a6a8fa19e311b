//! The folder of a plugin's source: which language it is in, and how it is built.

mod build;
mod sdk;
mod template;
mod tools;

pub(crate) use template::{Language, Sdk, write};

use crate::problem::problem;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A folder with the source of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// Where it is.
    pub(crate) folder: PathBuf,
    /// What it is called: its module is that with `.wasm`.
    pub(crate) name: String,
    /// What it is written in.
    language: Language,
}

impl Project {
    /// The project in a folder.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        Self::find(folder).ok_or_else(|| {
            problem(
                format!("{} has no source of a plugin", folder.display()),
                "`redis-sync new NAME` makes a folder that has; Cargo.toml, package.json, requirements.txt and go.mod are looked for",
            )
        })
    }

    /// The project in a folder, if there is one.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        let language = Language::ALL
            .into_iter()
            .find(|language| folder.join(language.marker()).is_file())?;
        let name = folder.file_name()?.to_string_lossy().into_owned();
        Some(Self {
            folder,
            name,
            language,
        })
    }

    /// Where its module is once it is built.
    pub(crate) fn module(&self) -> PathBuf {
        self.folder.join(self.module_name())
    }

    /// The name of its module.
    pub(crate) fn module_name(&self) -> String {
        format!("{}.wasm", self.name)
    }
}
