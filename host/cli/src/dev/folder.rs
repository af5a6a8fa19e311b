//! The folder that is the bucket.

use super::system::System;
use crate::problem::Advise;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How deep a file may lie.
const MAX_DEPTH: usize = 64;

/// The folder, and what of it is in the bucket.
pub(super) struct Folder {
    root: PathBuf,
    /// The files that are there, and when they were.
    files: BTreeMap<String, Stamp>,
}

/// What changes with a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Result<Self> {
        let root = root.canonicalize().advise(
            || format!("{} cannot be read", root.display()),
            "name a folder",
        )?;
        Ok(Self {
            root,
            files: BTreeMap::new(),
        })
    }

    /// Brings the bucket up to date with the folder, and says which keys have changed.
    pub(super) fn update(&mut self, system: &System) -> Result<BTreeSet<String>> {
        let mut now = BTreeMap::new();
        look(&self.root, "", MAX_DEPTH, &mut now);
        let mut changed = BTreeSet::new();
        for (key, stamp) in &now {
            if self.files.get(key) == Some(stamp) {
                continue;
            }
            // A file may go while it is read: the next look finds that.
            if let Ok(body) = std::fs::read(self.root.join(key))
                && system.put(key, &body)
            {
                changed.insert(key.clone());
            }
        }
        for key in self.files.keys().filter(|key| !now.contains_key(*key)) {
            system.delete(key);
            changed.insert(key.clone());
        }
        self.files = now;
        Ok(changed)
    }
}

/// The files below a folder that are objects.
fn look(folder: &Path, prefix: &str, depth: usize, found: &mut BTreeMap<String, Stamp>) {
    // A folder may go while it is read: its files are gone then.
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if is_passed_over(&name) {
            continue;
        }
        let key = format!("{prefix}{name}");
        match std::fs::metadata(entry.path()) {
            Ok(data) if data.is_dir() && depth > 0 => {
                look(&entry.path(), &format!("{key}/"), depth - 1, found);
            }
            Ok(data) if data.is_file() => {
                let stamp = Stamp {
                    modified: data.modified().ok(),
                    bytes: data.len(),
                };
                found.insert(key, stamp);
            }
            _ => {}
        }
    }
}

/// Hidden files, and what editors leave behind while they save.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".unfinished") || name == "4913"
}
