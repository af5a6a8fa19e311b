//! Where the cases are.

use super::no_cases;
use crate::case::input;
use crate::problem::Advise;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// How deep below the folder a case may lie.
const MAX_DEPTH: usize = 4;

/// Folders that have no cases, whatever is in them.
const PASSED_OVER: [&str; 4] = ["target", "node_modules", "bucket", "plugins"];

/// The cases below a folder, with their names, in order.
pub(super) fn cases(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let below = folder.join("cases");
    let root = if below.is_dir() {
        below
    } else {
        folder.to_owned()
    };
    let mut found = Vec::new();
    look(&root, MAX_DEPTH, &mut found)?;
    if found.is_empty() {
        return Err(no_cases(folder));
    }
    found.sort();
    let name = |path: &Path| {
        let name = path
            .strip_prefix(&root)
            .unwrap_or(path)
            .display()
            .to_string();
        if name.is_empty() {
            "case".to_owned()
        } else {
            name
        }
    };
    Ok(found.into_iter().map(|path| (name(&path), path)).collect())
}

fn look(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if input(folder)?.is_some() {
        found.push(folder.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let entries = folder.read_dir().advise(
        || format!("the folder {} cannot be read", folder.display()),
        "name a folder with cases",
    )?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let skip = name.starts_with('.') || PASSED_OVER.contains(&&*name);
        if !skip && entry.path().is_dir() {
            look(&entry.path(), depth - 1, found)?;
        }
    }
    Ok(())
}
