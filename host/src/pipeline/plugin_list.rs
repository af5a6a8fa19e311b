//! Reading the plugin list: which modules there are, and what the manifest says.

use crate::route::{MANIFEST_NAME, Manifest, ManifestError, PluginList};
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::sync::Arc;

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

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
    pub(super) async fn read(&self) -> Result<Arc<PluginList>, StoreError> {
        let mut list = PluginList::default();
        let mut manifest = None;
        for listed in self.store.list_all(&self.prefix).await? {
            match listed.key.strip_prefix(&self.prefix) {
                Some(MANIFEST_NAME) => manifest = Some(listed.etag),
                Some(name) if name.ends_with(".wasm") => {
                    list.modules.insert(name.to_owned(), listed.etag);
                }
                _ => {}
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
        let Some(object) = self.store.object(&key, MAX_MANIFEST_BYTES).await? else {
            return Ok(None);
        };
        let manifest = match std::str::from_utf8(&object.body) {
            Ok(text) => Manifest::parse(text),
            Err(_) => Err(ManifestError("it is not UTF-8".to_owned())),
        };
        *self.parsed.lock() = Some(Parsed {
            etag: object.etag,
            manifest: manifest.clone(),
        });
        Ok(Some(manifest))
    }
}
