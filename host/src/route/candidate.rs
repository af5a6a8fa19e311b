//! A module that is no plugin yet, in the place of one: what a preview works with.

use bytes::Bytes;

/// A module that stands for a plugin.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the plugin, which need not be there.
    pub plugin: String,
    /// Entity tag of the module.
    pub etag: String,
    /// Where the module is.
    pub module: CandidateModule,
}

/// Where a candidate is.
#[derive(Clone, Debug)]
pub enum CandidateModule {
    /// Under this key of the bucket.
    Stored(String),
    /// In hand.
    Given(Bytes),
}
