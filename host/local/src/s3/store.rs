//! Buckets, objects and their versions, in memory.

use std::{
    collections::BTreeMap,
    ops::Bound,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use md5::{Digest, Md5};

/// What S3 calls the version of an object that was stored while versioning was off.
const NULL_VERSION: &str = "null";

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its content.
    pub body: Bytes,
    /// MD5 of the content in hexadecimal, or of the MD5s of its parts with their number after it, without the
    /// quotes of the header.
    pub etag: String,
    /// When it was stored, in whole seconds as S3 gives it.
    pub last_modified: SystemTime,
    /// Its version, where versioning is on.
    pub version_id: Option<String>,
    /// The content type it was stored with.
    pub content_type: Option<String>,
    /// User metadata, names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// What the client says about an object besides its content.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    /// The content type.
    pub(super) content_type: Option<String>,
    /// User metadata, names without `x-amz-meta-`.
    pub(super) metadata: BTreeMap<String, String>,
}

/// Why there is no object to give.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Missing {
    /// No version of the key exists.
    Key,
    /// The key has no such version.
    Version,
    /// The current version is a delete marker.
    Deleted {
        /// The marker's version.
        marker: String,
    },
    /// The version asked for is a delete marker.
    Marker {
        /// The marker's version.
        marker: String,
    },
}

/// A version of a key.
#[derive(Debug)]
enum Version {
    /// Content.
    Object(Object),
    /// The key was deleted; carries the marker's version.
    Marker(String, SystemTime),
}

/// A bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Versions of each key, the current one last. `BTreeMap` orders by UTF-8 bytes, as S3 lists.
    keys: BTreeMap<String, Vec<Version>>,
    /// Whether old versions are kept.
    versioned: bool,
    /// The number of versions made so far, from which their ids come.
    versions_made: u64,
    /// The time of everything that is stored, instead of the real one.
    clock: Option<SystemTime>,
}

impl Bucket {
    /// Keeps versions from now on.
    pub(super) fn enable_versioning(&mut self) {
        self.versioned = true;
    }

    /// Stores with this time from now on, or with the real one again.
    pub(super) fn set_clock(&mut self, clock: Option<SystemTime>) {
        self.clock = clock;
    }

    /// Stores an object.
    pub(super) fn put(&mut self, key: &str, body: Bytes, description: Description) -> Object {
        self.put_as(hex(Md5::digest(&body)), key, body, description)
    }

    /// Stores an object with an etag.
    pub(super) fn put_as(
        &mut self,
        etag: String,
        key: &str,
        body: Bytes,
        description: Description,
    ) -> Object {
        let object = Object {
            etag,
            body,
            last_modified: whole_seconds(self.clock.unwrap_or_else(SystemTime::now)),
            version_id: self.next_version(),
            content_type: description.content_type,
            metadata: description.metadata,
        };
        self.push(key, Version::Object(object.clone()));
        object
    }

    /// The current object, or the version of it that is asked for.
    pub(super) fn get(&self, key: &str, version_id: Option<&str>) -> Result<&Object, Missing> {
        let versions = self.keys.get(key).ok_or(Missing::Key)?;
        let version = match version_id {
            None => versions.last().ok_or(Missing::Key)?,
            Some(id) => versions
                .iter()
                .find(|version| version.id() == id)
                .ok_or(Missing::Version)?,
        };
        match (version, version_id) {
            (Version::Object(object), _) => Ok(object),
            (Version::Marker(marker, _), None) => Err(Missing::Deleted {
                marker: marker.clone(),
            }),
            (Version::Marker(marker, _), Some(_)) => Err(Missing::Marker {
                marker: marker.clone(),
            }),
        }
    }

    /// Deletes the current object. Where versioning is on, gives the version of its delete marker.
    pub(super) fn delete(&mut self, key: &str) -> Option<String> {
        let marker = self.next_version();
        match &marker {
            None => {
                self.keys.remove(key);
            }
            Some(id) => {
                let now = whole_seconds(self.clock.unwrap_or_else(SystemTime::now));
                self.push(key, Version::Marker(id.clone(), now));
            }
        }
        marker
    }

    /// Deletes one version for good, if it is there.
    pub(super) fn delete_version(&mut self, key: &str, id: &str) {
        if let Some(versions) = self.keys.get_mut(key) {
            versions.retain(|version| version.id() != id);
            if versions.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// All versions of the objects under a prefix, of each the newest first: key, version, when it was
    /// made, and its object, where it is no delete marker.
    pub(super) fn versions<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str, SystemTime, Option<&'a Object>)> {
        let under = self
            .keys
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix));
        under.flat_map(|(key, versions)| {
            versions.iter().rev().map(move |version| match version {
                Version::Object(object) => (
                    key.as_str(),
                    version.id(),
                    object.last_modified,
                    Some(object),
                ),
                Version::Marker(id, made) => (key.as_str(), id.as_str(), *made, None),
            })
        })
    }

    /// The current objects in the order of their keys.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&str, &Object)> {
        self.objects_from("")
    }

    /// Those from that key on.
    pub(super) fn objects_from(&self, key: &str) -> impl Iterator<Item = (&str, &Object)> {
        self.keys
            .range::<str, _>((Bound::Included(key), Bound::Unbounded))
            .filter_map(|(key, versions)| match versions.last() {
                Some(Version::Object(object)) => Some((key.as_str(), object)),
                _ => None,
            })
    }

    fn push(&mut self, key: &str, version: Version) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        if !self.versioned {
            versions.clear();
        }
        versions.push(version);
    }

    fn next_version(&mut self) -> Option<String> {
        self.versioned.then(|| {
            self.versions_made += 1;
            format!("local{:027}", self.versions_made)
        })
    }
}

impl Version {
    fn id(&self) -> &str {
        match self {
            Self::Object(object) => object.version_id.as_deref().unwrap_or(NULL_VERSION),
            Self::Marker(id, _) => id,
        }
    }
}

/// S3's etag of an object that was uploaded in these parts.
pub(super) fn etag_of_parts<'a>(parts: impl ExactSizeIterator<Item = &'a [u8]>) -> String {
    let number = parts.len();
    let digests: Vec<u8> = parts.flat_map(Md5::digest).collect();
    format!("{}-{number}", hex(Md5::digest(digests)))
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(keys: &[&str]) -> Bucket {
        let mut bucket = Bucket::default();
        for key in keys {
            bucket.put(key, Bytes::from("body"), Description::default());
        }
        bucket
    }

    #[test]
    fn the_etag_is_the_md5_of_the_body() {
        let bucket = bucket(&["a"]);
        let object = bucket.get("a", None).expect("it was put");
        assert_eq!(object.etag, "841a2d689ad86bd1611447453c22c6fc");
    }

    #[test]
    fn the_etag_of_a_multipart_upload_is_the_md5_of_those_of_its_parts() {
        let etag = etag_of_parts(b"0123456789".chunks(4));
        assert_eq!(etag, "61e3716e3a7767581863b67c4e785584-3");
    }

    #[test]
    fn deleting_without_versions_leaves_nothing() {
        let mut bucket = bucket(&["a"]);
        assert_eq!(bucket.delete("a"), None);
        assert_eq!(bucket.get("a", None).err(), Some(Missing::Key));
    }

    #[test]
    fn a_delete_marker_hides_the_object_until_it_is_deleted() {
        let mut bucket = bucket(&[]);
        bucket.enable_versioning();
        bucket.put("a", Bytes::from("1"), Description::default());
        let marker = bucket.delete("a").expect("a marker");
        let deleted = Missing::Deleted {
            marker: marker.clone(),
        };
        assert_eq!(bucket.get("a", None).err(), Some(deleted));
        assert_eq!(bucket.objects().count(), 0);

        bucket.delete_version("a", &marker);
        assert_eq!(
            bucket.get("a", None).map(|it| it.body.clone()),
            Ok(Bytes::from("1"))
        );
    }

    #[test]
    fn old_versions_can_be_read() {
        let mut bucket = bucket(&["a"]);
        bucket.enable_versioning();
        let first = bucket.put("a", Bytes::from("1"), Description::default());
        bucket.put("a", Bytes::from("2"), Description::default());
        let read = |id: Option<&str>| bucket.get("a", id).map(|it| it.body.clone());
        assert_eq!(read(None), Ok(Bytes::from("2")));
        assert_eq!(read(first.version_id.as_deref()), Ok(Bytes::from("1")));
        assert_eq!(read(Some(NULL_VERSION)), Ok(Bytes::from("body")));
        assert_eq!(read(Some("other")), Err(Missing::Version));
    }
}
