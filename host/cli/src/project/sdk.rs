//! The SDK that a new project gets, as a folder of its own.

/// Its files: the place of each in that folder, and what it has.
pub(super) const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
