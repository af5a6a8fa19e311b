//! Who has put an object, as its event says.

use crate::text::clip_to;
use serde::{Deserialize, Serialize};

/// Bytes that are kept of a principal, and of an address: more would take a record of its own in Redis.
const MAX_BYTES: usize = 64;

/// Who has put an object.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Author {
    /// The principal, as S3 names it; its first 64 bytes.
    pub principal: String,
    /// The address that the request came from, where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
}

impl Author {
    /// `None` where no principal is told.
    pub(super) fn new(principal: Option<&str>, source_ip: Option<&str>) -> Option<Self> {
        let clipped = |text: &str| clip_to(text, MAX_BYTES).to_owned();
        let principal = principal.filter(|principal| !principal.is_empty())?;
        Some(Self {
            principal: clipped(principal),
            source_ip: source_ip.filter(|ip| !ip.is_empty()).map(clipped),
        })
    }
}

/// Who has put which state of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The bucket, where the channel says which.
    pub(super) bucket: Option<String>,
    /// The object's key.
    pub(super) key: String,
    /// Entity tag of what was put.
    pub(super) etag: String,
    /// Its version, where the bucket is versioned.
    pub(super) version_id: Option<String>,
    /// Who put it.
    pub(super) author: Author,
}

/// What events say of who has put objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// Of these origins, those that are of a bucket.
    pub fn in_bucket<'a>(origins: impl IntoIterator<Item = &'a Origin>, bucket: &str) -> Self {
        let ours = origins.into_iter().filter(|origin| {
            let of = origin.bucket.as_deref();
            of.is_none_or(|of| of == bucket)
        });
        Self(ours.cloned().collect())
    }

    /// Who has put this state of an object. Without a version, as of a listing, the entity tag has to do. An
    /// event of another state says nothing.
    pub fn author(&self, key: &str, etag: &str, version_id: Option<&str>) -> Option<&Author> {
        let is_of = |origin: &&Origin| {
            let versions = origin.version_id.as_deref().zip(version_id);
            origin.key == key
                && origin.etag == etag
                && versions.is_none_or(|(one, other)| one == other)
        };
        let mut all = self.0.iter().filter(is_of).map(|origin| &origin.author);
        let first = all.next()?;
        // Two who have put the same: nobody is named rather than the wrong one.
        all.all(|other| other == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(etag: &str, version_id: Option<&str>, principal: &str) -> Origin {
        Origin {
            bucket: Some("config".into()),
            key: "k".into(),
            etag: etag.into(),
            version_id: version_id.map(str::to_owned),
            author: Author::new(Some(principal), Some("10.0.0.1")).unwrap(),
        }
    }

    #[test]
    fn only_who_put_this_very_state_is_named() {
        let all = [origin("e", Some("1"), "a"), origin("f", Some("2"), "b")];
        let origins = Origins::in_bucket(&all, "config");
        let named = |key, etag, version| {
            let author = origins.author(key, etag, version);
            author.map(|author| author.principal.as_str())
        };
        assert_eq!(named("k", "e", Some("1")), Some("a"));
        assert_eq!(named("k", "f", None), Some("b"));
        assert_eq!(named("k", "e", Some("2")), None);
        assert_eq!(named("k", "g", Some("1")), None);
        assert_eq!(named("l", "e", Some("1")), None);
        assert_eq!(Origins::in_bucket(&all, "other"), Origins::default());
        let two = [origin("e", None, "a"), origin("e", None, "b")];
        assert_eq!(
            Origins::in_bucket(&two, "config").author("k", "e", None),
            None
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let author = Author::new(Some(&"x".repeat(1000)), Some(&"y".repeat(1000))).unwrap();
        assert_eq!(
            (author.principal.len(), author.source_ip.unwrap().len()),
            (64, 64)
        );
        assert_eq!(Author::new(Some(""), Some("10.0.0.1")), None);
    }
}
