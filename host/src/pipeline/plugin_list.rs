//! Reading the plugin list: which modules there are, and what the manifest says.

use super::error::ChangeError;
use crate::budget::Account;
use crate::invocation;
use crate::route::{MANIFEST_NAME, Manifest, ManifestError, PluginList};
use crate::store::{Store, StoreError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Modules under the plugins' prefix: they are listed for every event.
const MAX_MODULES: usize = 10_000;

/// Pages of that listing, 1,000 objects each.
const MAX_PAGES: usize = 20;

/// What lies under the plugins' prefix and is no plugin.
pub(crate) const NO_PLUGINS: [&str; 2] = [".candidates/", ".previous/"];

/// Reads the plugin list. It is listed afresh each time, since whatever decides a result is read
/// after the ticket; a manifest that has not changed since is not read again.
pub(super) struct PluginLists {
    store: Store,
    /// Prefix of the plugins' keys.
    prefix: String,
    /// The manifest as it was last parsed.
    parsed: Mutex<Option<Parsed>>,
}

/// A manifest that was read.
struct Parsed {
    /// Entity tag of what was read.
    etag: String,
    manifest: Result<Manifest, ManifestError>,
}

impl PluginLists {
    pub(super) fn new(store: Store, prefix: &str) -> Self {
        Self {
            store,
            prefix: prefix.to_owned(),
            parsed: Mutex::default(),
        }
    }

    /// The list as it is now.
    pub(super) async fn read(&self) -> Result<Arc<PluginList>, ChangeError> {
        let mut list = PluginList::default();
        let mut manifest = None;
        let mut page = None;
        for number in 1.. {
            let listed = self.store.list(&self.prefix, page.take()).await?;
            for object in listed.objects {
                match object.key.strip_prefix(&self.prefix) {
                    Some(MANIFEST_NAME) => manifest = Some(object.etag),
                    Some(name) if is_module(name) => {
                        list.modules.insert(name.to_owned(), object.etag);
                    }
                    _ => {}
                }
            }
            page = listed.next;
            if page.is_none() {
                break;
            }
            if list.modules.len() > MAX_MODULES || number == MAX_PAGES {
                return Err(ChangeError::TooManyPlugins(self.prefix.clone()));
            }
        }
        if let Some(etag) = manifest {
            list.manifest = self.manifest(&etag).await?;
        }
        Ok(Arc::new(list))
    }

    /// The manifest that the listing showed with `etag`; `None` where it was deleted since: the
    /// list without it is the newer truth.
    async fn manifest(
        &self,
        etag: &str,
    ) -> Result<Option<Result<Manifest, ManifestError>>, StoreError> {
        if let Some(parsed) = &*self.parsed.lock()
            && parsed.etag == etag
        {
            return Ok(Some(parsed.manifest.clone()));
        }
        let key = format!("{}{MANIFEST_NAME}", self.prefix);
        let account = Account::unbounded();
        let read = self.store.object(&key, MAX_MANIFEST_BYTES, &account);
        let Some(object) = read.await? else {
            return Ok(None);
        };
        let manifest = parse(object.body).await;
        *self.parsed.lock() = Some(Parsed {
            etag: object.etag,
            manifest: manifest.clone(),
        });
        Ok(Some(manifest))
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
