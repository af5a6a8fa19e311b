use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::{Result, json, text};

/// The S3 object to transform.
///
/// The host makes it; a test makes one with [`Object::new`] and the `with_` methods.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// The bucket it is in.
    pub bucket: String,
    /// Its key, decoded.
    pub key: String,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// Its version, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// When it was last written, in milliseconds since the Unix epoch.
    pub last_modified_ms: u64,
    /// Its content type, where it has one.
    pub content_type: Option<String>,
    /// Its user metadata by name, without the prefix `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Its content.
    pub body: Vec<u8>,
}

impl Object {
    /// An object with that key and content, and nothing else said of it.
    pub fn new(key: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            bucket: String::new(),
            key: key.into(),
            etag: String::new(),
            version_id: None,
            last_modified_ms: 0,
            content_type: None,
            metadata: BTreeMap::new(),
            body: body.into(),
        }
    }

    /// Puts it into that bucket.
    #[must_use]
    pub fn with_bucket(mut self, bucket: impl Into<String>) -> Self {
        self.bucket = bucket.into();
        self
    }

    /// Gives it that entity tag.
    #[must_use]
    pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = etag.into();
        self
    }

    /// Makes it that version.
    #[must_use]
    pub fn with_version_id(mut self, version_id: impl Into<String>) -> Self {
        self.version_id = Some(version_id.into());
        self
    }

    /// Says when it was last written, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn with_last_modified_ms(mut self, last_modified_ms: u64) -> Self {
        self.last_modified_ms = last_modified_ms;
        self
    }

    /// Gives it that content type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Adds one item of user metadata.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// The body as JSON of that type.
    ///
    /// A leading byte order mark is passed over, as [`text`](Self::text) does.
    ///
    /// # Errors
    /// Where the body is not JSON, or not of that type. The message says where (line and column)
    /// and what was expected, and never quotes the body.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        json::parse(text::without_mark(&self.body))
    }

    /// The body as text, without the byte order mark that some editors put before it.
    ///
    /// # Errors
    /// Where the body is not UTF-8. The message says where (line and column).
    pub fn text(&self) -> Result<&str> {
        text::parse(text::without_mark(&self.body))
    }

    /// When the object was last written, which is also what the clock shows in the sandbox.
    pub fn last_modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.last_modified_ms)
    }
}

/// Shows how long the body is, not what is in it.
impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Object")
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("etag", &self.etag)
            .field("version_id", &self.version_id)
            .field("last_modified_ms", &self.last_modified_ms)
            .field("content_type", &self.content_type)
            .field("metadata", &self.metadata)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_content() -> Result<()> {
        let object = Object::new("k", "\u{feff}[1]");
        assert_eq!(object.text()?, "[1]");
        assert_eq!(object.json::<Vec<u8>>()?, [1]);
        Ok(())
    }

    #[test]
    fn json_may_borrow_from_the_body() -> Result<()> {
        let object = Object::new("k", r#"["a"]"#);
        assert_eq!(object.json::<Vec<&str>>()?, ["a"]);
        Ok(())
    }

    #[test]
    fn its_time_is_the_epoch_and_milliseconds() {
        let object = Object::new("k", "").with_last_modified_ms(1_500);
        assert_eq!(
            object.last_modified(),
            UNIX_EPOCH + Duration::from_millis(1_500)
        );
    }

    #[test]
    fn debug_output_keeps_the_body_to_itself() {
        let object = Object::new("k", "secret").with_metadata("owner", "team");
        let debug = format!("{object:?}");
        assert!(
            debug.contains("6 bytes") && debug.contains("team"),
            "{debug}"
        );
        assert!(!debug.contains("secret"), "{debug}");
    }
}
