//! Where the cases are.

use super::no_cases;
use crate::case::{Expected, input};
use crate::problem::Advise;
use anyhow::Result;
use std::fs::DirEntry;
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
    root.read_dir().advise(
        || format!("the folder {} cannot be read", root.display()),
        "name a folder with cases",
    )?;
    look(&root, MAX_DEPTH, &mut found);
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

/// Also finds what is a case and cannot be read as one: an input too many, or none beside what is
/// expected.
fn look(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let has_input = !matches!(input(folder), Ok(None));
    if has_input || is_case(folder) {
        found.push(folder.to_owned());
        return;
    }
    if depth == 0 {
        return;
    }
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let skip = name.starts_with('.') || PASSED_OVER.contains(&&*name);
        if !skip && entry.path().is_dir() {
            look(&entry.path(), depth - 1, found);
        }
    }
}

/// Whether something in a folder belongs to a case, or it is one of `cases` and has nothing below it.
fn is_case(folder: &Path) -> bool {
    let is_folder =
        |entry: std::io::Result<DirEntry>| entry.is_ok_and(|entry| entry.path().is_dir());
    let is_last = || !folder.read_dir().into_iter().flatten().any(is_folder);
    let is_one_of_cases = folder
        .parent()
        .is_some_and(|parent| parent.ends_with("cases"));
    Expected::is_told(folder) || folder.join("object.toml").exists() || is_one_of_cases && is_last()
}
