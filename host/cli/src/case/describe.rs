//! `object.toml`: what an object has besides its body.
//!
//! ```toml
//! key = "flags/a.json"              # by default the name of the input's file
//! bucket = "config"
//! etag = "0123…"                    # by default the MD5 of the body, as S3 has it
//! version_id = "3sL4…"
//! last_modified = 1735689600000     # milliseconds since 1970; the clock that the plugin sees
//! content_type = "application/json"
//! output = "entries"                # of a command, without a route: `value` or `entries`
//!
//! [metadata]                        # x-amz-meta-*
//! owner = "team"
//!
//! [settings]                        # in addition to those of the route
//! region = "eu"
//! ```

use crate::problem::Advise;
use anyhow::Result;
use bytes::Bytes;
use md5::{Digest, Md5};
use redis_sync::fingerprint::hex;
use redis_sync::object::Object;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// When an object was last modified of which that is not said: the start of 2025.
const LAST_MODIFIED: u64 = 1_735_689_600_000;

/// Its bucket.
const BUCKET: &str = "config";

/// What an object has besides its body, as far as that is said.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Description {
    /// Its key.
    key: Option<String>,
    /// Its bucket.
    bucket: Option<String>,
    /// Its entity tag.
    etag: Option<String>,
    /// Its version.
    version_id: Option<String>,
    /// Milliseconds since the Unix epoch.
    last_modified: Option<u64>,
    /// Its content type.
    content_type: Option<String>,
    /// What the stdout of a command is, where no manifest says.
    pub(crate) output: Option<String>,
    /// Its user metadata.
    metadata: BTreeMap<String, String>,
    /// Settings besides those of its route.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Description {
    /// Reads `object.toml` of a folder, where it is there.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("object.toml");
        if !path.exists() {
            return Ok(Self::default());
        }
        let what = || format!("{} cannot be read", path.display());
        let text = std::fs::read_to_string(&path).advise(what, "it must be a text file")?;
        toml::from_str(&text).advise(
            what,
            "it may have key, bucket, etag, version_id, last_modified, content_type, output, [metadata] and [settings]",
        )
    }

    /// Nothing but a key, or not even that.
    pub(crate) fn of_key(key: Option<String>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// Everything of an object, so that it is read back as it is.
    pub(crate) fn of(object: &Object) -> Self {
        Self {
            key: Some(object.key.clone()),
            bucket: Some(object.bucket.clone()),
            etag: Some(object.etag.clone()),
            version_id: object.version_id.clone(),
            last_modified: Some(object.last_modified),
            content_type: object.content_type.clone(),
            metadata: object.metadata.iter().cloned().collect(),
            ..Self::default()
        }
    }
}

/// The object of a body, as it is described; `name` is its key where none is given.
pub(crate) fn object(body: Bytes, name: &str, said: &Description) -> Object {
    Object {
        bucket: said.bucket.clone().unwrap_or_else(|| BUCKET.to_owned()),
        key: said.key.clone().unwrap_or_else(|| name.to_owned()),
        etag: said.etag.clone().unwrap_or_else(|| md5(&body)),
        version_id: said.version_id.clone(),
        last_modified: said.last_modified.unwrap_or(LAST_MODIFIED),
        content_type: said.content_type.clone(),
        metadata: said.metadata.clone().into_iter().collect(),
        body,
    }
}

/// S3's entity tag of an object that was uploaded in one part.
fn md5(body: &[u8]) -> String {
    hex(&Md5::digest(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_of_an_object_is_as_s3_would_have_it() {
        let plain = object("body".into(), "a.json", &Description::default());
        assert_eq!(plain.etag, "841a2d689ad86bd1611447453c22c6fc");
        assert_eq!((&*plain.key, &*plain.bucket), ("a.json", "config"));
    }

    #[test]
    fn an_object_is_read_back_as_it_was_written() {
        let said: Description = toml::from_str(
            "key = 'k\"'\netag = 'x-2'\nversion_id = 'v'\nlast_modified = 5\n[metadata]\nowner = 'é'",
        )
        .expect("a description");
        let first = object("body".into(), "-", &said);
        let text = toml::to_string(&Description::of(&first)).expect("TOML");
        let again = toml::from_str(&text).expect("a description");
        assert_eq!(object("body".into(), "-", &again), first);
    }

    #[test]
    fn a_misspelt_member_is_an_error() {
        assert!(toml::from_str::<Description>("ettag = 'x'").is_err());
    }
}
