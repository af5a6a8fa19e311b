//! The folder that is the bucket.

use super::system::System;
use crate::problem::Advise;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How deep a file may lie.
const MAX_DEPTH: usize = 64;

/// The folder, and what of it is in the bucket.
pub(super) struct Folder {
    root: PathBuf,
    /// The files that are in the bucket, as they were when they were read.
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
        let root = self.root.clone();
        let put = |key: &str| Ok(system.put(key, &std::fs::read(root.join(key))?));
        Ok(self.compare(put, |key| system.delete(key)))
    }

    /// Has the files put that are not as they were, and those deleted that are gone. Says which keys have
    /// changed: not every file whose time is another is.
    fn compare(
        &mut self,
        put: impl Fn(&str) -> io::Result<bool>,
        delete: impl Fn(&str),
    ) -> BTreeSet<String> {
        let mut now = BTreeMap::new();
        look(&self.root, "", MAX_DEPTH, &mut now);
        let mut changed = BTreeSet::new();
        for key in self.files.keys().filter(|key| !now.contains_key(*key)) {
            delete(key);
            changed.insert(key.clone());
        }
        self.files.retain(|key, _| now.contains_key(key));
        for (key, stamp) in now {
            if self.files.get(&key) == Some(&stamp) {
                continue;
            }
            // What cannot be read now, or goes while it is read, is as it was: the next look finds it again.
            if let Ok(is_other) = put(&key) {
                if is_other {
                    changed.insert(key.clone());
                }
                self.files.insert(key, stamp);
            }
        }
        changed
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_file_that_cannot_be_read_is_read_when_it_can() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("flags.json");
        std::fs::write(&file, "{}").unwrap();
        let mut folder = Folder::new(root.path()).unwrap();
        let can_be_read = Cell::new(false);
        let put = |_: &str| match can_be_read.get() {
            true => Ok(true),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        };
        let deleted = Cell::new(0);
        let delete = |_: &str| deleted.set(deleted.get() + 1);
        let mut changed = || folder.compare(put, delete).into_iter().collect::<Vec<_>>();
        assert!(changed().is_empty());
        can_be_read.set(true);
        assert_eq!(changed(), ["flags.json"]);
        assert!(changed().is_empty());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(changed(), ["flags.json"]);
        assert_eq!(deleted.get(), 1);
    }
}
