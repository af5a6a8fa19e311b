//! Names of the bookkeeping keys.

/// Makes the names of one bucket's bookkeeping.
#[derive(Clone, Debug)]
pub(super) struct Names {
    bucket: String,
}

/// Data key -> object that wrote it. One for all buckets, so that no two of them share a key.
pub(super) const OWNERS: &str = "redis-sync:owners";

impl Names {
    pub(super) fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
        }
    }

    /// The object's name among those of all buckets. A bucket's name has no slash.
    pub(super) fn object(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket)
    }

    /// The key of an object of this bucket, by its name.
    pub(super) fn key_of<'a>(&self, object: &'a str) -> Option<&'a str> {
        object.strip_prefix(&self.bucket)?.strip_prefix('/')
    }

    /// Where the object's record is.
    pub(super) fn record(&self, key: &str) -> String {
        format!("redis-sync:object:{}/{key}", self.bucket)
    }

    /// Where the record of an object of any bucket is, by the object's name.
    pub(super) fn record_of(object: &str) -> String {
        format!("redis-sync:object:{object}")
    }

    /// Keys of the objects that have a record.
    pub(super) fn index(&self) -> String {
        format!("redis-sync:index:{}", self.bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_another_bucket_is_not_ours() {
        let names = Names::new("config");
        assert_eq!(names.key_of(&names.object("a/b")), Some("a/b"));
        assert_eq!(names.key_of("config-2/a/b"), None);
        assert_eq!(names.record("a"), Names::record_of(&names.object("a")));
    }
}
