//! Reading the plugin list: which modules there are, and what the manifest says.
//!
//! What decides a result is read after the ticket, and the list need not be: what matters is that it
//! shows every change of a plugin whose event somebody has taken a ticket for. Whoever handles such a
//! change raises a [`Generation`] first. So a list is kept for the generation that was seen *before* it
//! was read, and used as long as tickets come with that one. A failover may undo that it was raised,
//! which is why no list is used for longer than [`KEPT`].

use super::error::ChangeError;
use crate::budget::Account;
use crate::invocation;
use crate::ledger::{Generation, Taken};
use crate::route::{MANIFEST_NAME, Manifest, ManifestError, PluginList};
use crate::store::{Store, StoreError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// How long a list is used.
const KEPT: Duration = Duration::from_mins(1);

/// Modules under the plugins' prefix.
const MAX_MODULES: usize = 10_000;

/// Pages of that listing.
const MAX_PAGES: usize = 20;

/// Objects in them, 1,000 each.
const MAX_LISTED: usize = MAX_PAGES * 1000;

/// What lies under the plugins' prefix and is no plugin.
pub(crate) const NO_PLUGINS: [&str; 2] = [".candidates/", ".previous/"];

/// Reads the plugin list, and keeps it. A manifest that has not changed since is not read again.
pub(super) struct PluginLists {
    store: Store,
    /// Prefix of the plugins' keys.
    prefix: String,
    /// The manifest as it was last parsed.
    parsed: Mutex<Option<Parsed>>,
    /// The list that was last read for a generation.
    kept: Mutex<Option<Kept>>,
    /// Held by whoever reads a list to keep it, so that those who wait for one share it.
    reading: tokio::sync::Mutex<()>,
}

/// A manifest that was read.
#[derive(Clone)]
struct Parsed {
    /// Entity tag of what was read.
    etag: String,
    manifest: Result<Manifest, ManifestError>,
}

/// A list that is kept.
#[derive(Clone)]
struct Kept {
    /// The generation that was seen before it was read.
    generation: Generation,
    /// When reading it began.
    began: Instant,
    read: Read,
}

/// A list, with what two of them are compared by.
#[derive(Clone)]
struct Read {
    list: Arc<PluginList>,
    /// Entity tag of the manifest that was read.
    manifest: Option<String>,
}

impl PluginLists {
    pub(super) fn new(store: Store, prefix: &str) -> Self {
        Self {
            store,
            prefix: prefix.to_owned(),
            parsed: Mutex::default(),
            kept: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The list as it is now.
    pub(super) async fn read(&self) -> Result<Arc<PluginList>, ChangeError> {
        Ok(self.list().await?.list)
    }

    /// A list that may be used under these tickets, though it was read before them.
    pub(super) fn kept_for(&self, taken: &Taken) -> Option<Arc<PluginList>> {
        let kept = self.kept.lock();
        let kept = kept.as_ref()?;
        let list = taken.is_one_generation && kept.serves(taken.generation, Instant::now());
        list.then(|| Arc::clone(&kept.read.list))
    }

    /// A list that was read after `since`, when `generation` had been seen. It is the same as the one
    /// that was kept where nothing has changed.
    pub(super) async fn read_after(
        &self,
        since: Instant,
        generation: Generation,
    ) -> Result<Arc<PluginList>, ChangeError> {
        let _reading = self.reading.lock().await;
        let before = self.kept.lock().clone();
        if let Some(kept) = &before
            && kept.began >= since
        {
            return Ok(Arc::clone(&kept.read.list));
        }
        let began = Instant::now();
        let mut read = self.list().await?;
        if let Some(Kept { read: before, .. }) = before
            && before.is_same(&read)
        {
            read = before;
        }
        let list = Arc::clone(&read.list);
        *self.kept.lock() = Some(Kept {
            generation,
            began,
            read,
        });
        Ok(list)
    }

    async fn list(&self) -> Result<Read, ChangeError> {
        let mut modules = BTreeMap::new();
        let mut manifest = None;
        let mut page = None;
        for number in 1.. {
            let listed = self.store.list(&self.prefix, page.take()).await?;
            for object in listed.objects {
                match object.key.strip_prefix(&self.prefix) {
                    Some(MANIFEST_NAME) => manifest = Some(object.etag),
                    Some(name) if is_module(name) => {
                        modules.insert(name.to_owned(), object.etag);
                    }
                    _ => {}
                }
            }
            page = listed.next;
            if modules.len() > MAX_MODULES || (number == MAX_PAGES && page.is_some()) {
                return Err(ChangeError::TooManyPlugins {
                    prefix: self.prefix.clone(),
                    modules: MAX_MODULES,
                    objects: MAX_LISTED,
                });
            }
            if page.is_none() {
                break;
            }
        }
        let parsed = match &manifest {
            Some(etag) => self.manifest(etag).await?,
            None => None,
        };
        Ok(Read {
            manifest: parsed.as_ref().map(|parsed| parsed.etag.clone()),
            list: Arc::new(PluginList {
                modules,
                manifest: parsed.map(|parsed| parsed.manifest),
                candidate: None,
            }),
        })
    }

    /// The manifest that the listing showed with `etag`, or a newer one; `None` where it was deleted
    /// since: the list without it is the newer truth.
    async fn manifest(&self, etag: &str) -> Result<Option<Parsed>, StoreError> {
        if let Some(parsed) = &*self.parsed.lock()
            && parsed.etag == etag
        {
            return Ok(Some(parsed.clone()));
        }
        let key = format!("{}{MANIFEST_NAME}", self.prefix);
        let account = Account::unbounded();
        let read = self.store.object(&key, MAX_MANIFEST_BYTES, &account);
        let Some(object) = read.await? else {
            return Ok(None);
        };
        let parsed = Parsed {
            etag: object.etag,
            manifest: parse(object.body).await,
        };
        *self.parsed.lock() = Some(parsed.clone());
        Ok(Some(parsed))
    }
}

impl Kept {
    /// Whether it may be used under a ticket that came with this generation.
    fn serves(&self, generation: Generation, now: Instant) -> bool {
        self.generation == generation && now < self.began + KEPT
    }
}

impl Read {
    /// Whether both are of the same modules and the same manifest.
    fn is_same(&self, other: &Self) -> bool {
        self.list.modules == other.list.modules && self.manifest == other.manifest
    }
}

/// Candidates and earlier versions of modules lie under the same prefix, and are never plugins.
fn is_module(name: &str) -> bool {
    name.ends_with(".wasm") && !NO_PLUGINS.iter().any(|folder| name.starts_with(folder))
}

/// Parses a manifest on a thread where that may take its time.
async fn parse(body: Bytes) -> Result<Manifest, ManifestError> {
    let parse = move || match std::str::from_utf8(&body) {
        Ok(text) => Manifest::parse(text),
        Err(_) => Err(ManifestError::new("it is not UTF-8")),
    };
    invocation::spawn_blocking(parse)
        .await
        .unwrap_or_else(|_| Err(ManifestError::new("it crashes its parser")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_serves_tickets_of_its_generation_for_a_minute() {
        let began = Instant::now();
        let kept = Kept {
            generation: Generation::of(7),
            began,
            read: Read {
                list: Arc::default(),
                manifest: None,
            },
        };
        let minute = Duration::from_mins(1);
        assert!(kept.serves(Generation::of(7), began + minute - Duration::from_millis(1)));
        assert!(!kept.serves(Generation::of(7), began + minute));
        assert!(!kept.serves(Generation::of(6), began) && !kept.serves(Generation::of(8), began));
    }
}
