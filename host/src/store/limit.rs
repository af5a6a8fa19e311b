//! How much of an object is read.

use std::fmt;

/// The most of an object that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    /// In bytes.
    pub(super) bytes: u64,
    /// The variable that sets it, if one does.
    variable: Option<&'static str>,
}

impl SizeLimit {
    /// A limit that a variable sets.
    pub fn of(variable: &'static str, bytes: u64) -> Self {
        Self {
            bytes,
            variable: Some(variable),
        }
    }
}

impl From<u64> for SizeLimit {
    fn from(bytes: u64) -> Self {
        Self {
            bytes,
            variable: None,
        }
    }
}

impl fmt::Display for SizeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable {
            Some(variable) => write!(formatter, "{variable}={}", self.bytes),
            None => write!(formatter, "{} bytes, the most that is read", self.bytes),
        }
    }
}
