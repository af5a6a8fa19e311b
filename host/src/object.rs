//! The S3 object that a transform sees.

use bytes::Bytes;

/// One object as it was read from the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Name of the bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// Entity tag, without the quotes.
    pub etag: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub last_modified: u64,
    /// The `Content-Type` it was stored with.
    pub content_type: Option<String>,
    /// User metadata (`x-amz-meta-*`) without the prefix, sorted by name.
    pub metadata: Vec<(String, String)>,
    /// The content.
    pub body: Bytes,
}
