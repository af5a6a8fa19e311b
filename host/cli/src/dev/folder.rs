//! The folder that is the bucket.

use crate::problem::Advise;
use anyhow::Result;
use redis_sync_local::S3;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirEntry;
use std::io::{self, ErrorKind::NotFound};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How deep a file may lie.
const MAX_DEPTH: usize = 64;

/// The folder, and what of it is in the bucket.
pub(super) struct Folder {
    root: PathBuf,
    /// The files that are in the bucket, and when they were.
    files: BTreeMap<String, Stamp>,
    /// What of it is not in the bucket as it is there, and why.
    left_out: BTreeMap<String, String>,
}

/// What changes with a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// What has changed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Keys of objects.
    pub(super) keys: BTreeSet<String>,
    /// What is left out that was not before, or for another reason.
    pub(super) left_out: BTreeMap<String, String>,
}

/// What is in a folder.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, Stamp>,
    left_out: BTreeMap<String, String>,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Result<Self> {
        let readable = root.canonicalize().and_then(|root| {
            root.read_dir()?;
            Ok(root)
        });
        let root = readable.advise(
            || format!("{} cannot be read", root.display()),
            "name a folder that can be read",
        )?;
        Ok(Self {
            root,
            files: BTreeMap::new(),
            left_out: BTreeMap::new(),
        })
    }

    /// Brings the bucket up to date with the folder, and says what has changed.
    pub(super) fn update(&mut self, bucket: &S3) -> Changes {
        let mut now = Found::default();
        look(&self.root, "", MAX_DEPTH, &mut now);
        let mut keys = BTreeSet::new();
        for (key, stamp) in &now.files {
            if self.files.get(key) == Some(stamp) {
                continue;
            }
            match std::fs::read(self.root.join(key)) {
                Ok(body) => {
                    self.files.insert(key.clone(), *stamp);
                    if put(bucket, key, &body) {
                        keys.insert(key.clone());
                    }
                }
                // It has gone meanwhile: the next look finds that.
                Err(error) if error.kind() == NotFound => {}
                Err(error) => {
                    now.left_out.insert(key.clone(), unreadable(&error));
                }
            }
        }
        // What a folder had that cannot be read any more is not known to be gone.
        let is_kept = |key: &str| {
            let mut left_out = now.left_out.keys();
            now.files.contains_key(key) || left_out.any(|place| is_at(key, place))
        };
        for (key, _) in self.files.extract_if(.., |key, _| !is_kept(key)) {
            bucket.delete(&key);
            keys.insert(key);
        }
        let before = std::mem::replace(&mut self.left_out, now.left_out);
        let new = |(file, why): &(&String, &String)| before.get(*file) != Some(why);
        let left_out = self.left_out.iter().filter(new);
        Changes {
            keys,
            left_out: left_out
                .map(|(file, why)| (file.clone(), why.clone()))
                .collect(),
        }
    }
}

/// Stores an object; whether that changed anything.
pub(super) fn put(bucket: &S3, key: &str, body: &[u8]) -> bool {
    let same = bucket.get(key).is_some_and(|object| object.body == *body);
    if !same {
        bucket.put(key, body);
    }
    !same
}

/// Whether a key is of the file or in the folder at that place; the root's is empty.
fn is_at(key: &str, place: &str) -> bool {
    let rest = key.strip_prefix(place);
    rest.is_some_and(|rest| place.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn unreadable(error: &io::Error) -> String {
    format!("it cannot be read: {error}")
}

/// The files below a folder that are objects.
fn look(folder: &Path, prefix: &str, depth: usize, found: &mut Found) {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        // A folder may go while it is read: its files are gone then.
        Err(error) if error.kind() == NotFound => return,
        Err(error) => {
            let key = prefix.trim_end_matches('/').to_owned();
            found.left_out.insert(key, unreadable(&error));
            return;
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let key = format!("{prefix}{}", name.to_string_lossy());
        if is_passed_over(&name.to_string_lossy()) {
            continue;
        }
        let why = match std::fs::metadata(entry.path()) {
            _ if name.to_str().is_none() => "its name is not UTF-8, as keys are".to_owned(),
            Ok(data) if data.is_file() => {
                let stamp = Stamp {
                    modified: data.modified().ok(),
                    bytes: data.len(),
                };
                found.files.insert(key, stamp);
                continue;
            }
            Ok(data) if data.is_dir() && depth > 0 => {
                look(&entry.path(), &format!("{key}/"), depth - 1, found);
                continue;
            }
            Ok(data) if data.is_dir() => "it lies too deep".to_owned(),
            Ok(_) => "it is neither a file nor a folder".to_owned(),
            // It has gone meanwhile, unless it is a link that leads nowhere.
            Err(error) if error.kind() == NotFound && !is_link(&entry) => continue,
            Err(error) => unreadable(&error),
        };
        found.left_out.insert(key, why);
    }
}

fn is_link(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_symlink())
}

/// Hidden files, and what editors leave behind while they save.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".unfinished") || name == "4913"
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_sync_local::BUCKET;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    fn keys(changes: &Changes) -> Vec<&str> {
        changes.keys.iter().map(String::as_str).collect()
    }

    #[tokio::test]
    async fn what_cannot_be_an_object_is_told_once() {
        let bucket = S3::start(BUCKET).await.expect("S3");
        let root = tempfile::tempdir().expect("a folder");
        let place = |name: &str| root.path().join(name);
        std::fs::write(place("a"), "1").expect("a file");
        std::fs::write(root.path().join(OsStr::from_bytes(b"b\xff")), "").expect("a file");
        symlink(place("nowhere"), place("c")).expect("a link");
        let mut folder = Folder::new(root.path()).expect("a folder");
        let changes = folder.update(&bucket);
        assert_eq!(keys(&changes), ["a"]);
        let left_out: Vec<&String> = changes.left_out.keys().collect();
        assert_eq!(left_out, ["b\u{fffd}", "c"]);
        assert_eq!(folder.update(&bucket), Changes::default());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_keeps_its_object_and_is_read_when_it_can_be() {
        let bucket = S3::start(BUCKET).await.expect("S3");
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join("a");
        std::fs::write(&file, "old").expect("a file");
        let mut folder = Folder::new(root.path()).expect("a folder");
        assert_eq!(keys(&folder.update(&bucket)), ["a"]);
        std::fs::remove_file(&file).expect("a file");
        // Not even root can read the first page of a process.
        symlink("/proc/self/mem", &file).expect("a link");
        let changes = folder.update(&bucket);
        assert_eq!(keys(&changes), [""; 0]);
        assert!(changes.left_out["a"].starts_with("it cannot be read: "));
        assert_eq!(bucket.get("a").expect("an object").body, "old");
        std::fs::remove_file(&file).expect("a link");
        std::fs::write(&file, "new").expect("a file");
        assert_eq!(keys(&folder.update(&bucket)), ["a"]);
        std::fs::remove_file(&file).expect("a file");
        assert_eq!(keys(&folder.update(&bucket)), ["a"]);
        assert!(bucket.get("a").is_none());
    }
}
