//! Numbers as they are counted and told.

/// A size or a count; where it does not fit, the largest there is.
pub(crate) fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
