//! Which members a payload has.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// Whether a member is there, whatever it has.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct IsThere(pub(super) bool);

impl<'de> Deserialize<'de> for IsThere {
    fn deserialize<D: Deserializer<'de>>(member: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(member).map(|_| Self(true))
    }
}
