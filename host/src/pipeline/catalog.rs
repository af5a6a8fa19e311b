//! The table of plugins, read afresh for each invocation.

use crate::route::{MANIFEST_NAME, Manifest, ManifestError, Routes};
use crate::store::{Store, StoreError};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A manifest as it was last parsed, by its entity tag.
type Parsed = (String, Result<Manifest, ManifestError>);

/// Reads the table; a manifest that has not changed is not read again.
#[derive(Default)]
pub(super) struct Catalog {
    parsed: Mutex<Option<Parsed>>,
}

impl Catalog {
    pub(super) async fn read(
        &self,
        store: &Store,
        prefix: &str,
    ) -> Result<Arc<Routes>, StoreError> {
        let mut routes = Routes::default();
        let mut manifest = None;
        for listed in store.list_all(prefix).await? {
            match listed.key.strip_prefix(prefix) {
                Some(MANIFEST_NAME) => manifest = Some(listed.etag),
                Some(name) if name.ends_with(".wasm") => {
                    routes.modules.insert(name.to_owned(), listed.etag);
                }
                _ => {}
            }
        }
        if let Some(etag) = manifest {
            routes.manifest = self
                .manifest(store, &format!("{prefix}{MANIFEST_NAME}"), &etag)
                .await?;
        }
        Ok(Arc::new(routes))
    }

    async fn manifest(
        &self,
        store: &Store,
        key: &str,
        etag: &str,
    ) -> Result<Option<Result<Manifest, ManifestError>>, StoreError> {
        if let Some((parsed, manifest)) = &*self.lock()
            && parsed == etag
        {
            return Ok(Some(manifest.clone()));
        }
        // Where it was deleted after the listing, the table without it is the newer truth.
        let Some(object) = store.object(key, MAX_MANIFEST_BYTES).await? else {
            return Ok(None);
        };
        let manifest = match std::str::from_utf8(&object.body) {
            Ok(text) => Manifest::parse(text),
            Err(_) => Err(ManifestError("it is not UTF-8".to_owned())),
        };
        *self.lock() = Some((object.etag, manifest.clone()));
        Ok(Some(manifest))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Parsed>> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
