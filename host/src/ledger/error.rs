//! Why Redis could not do it.

/// Why Redis could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// Redis does not answer, or not now: a later attempt may do better.
    #[error("Redis at {address} is not available: {cause}")]
    Unavailable {
        /// Host and port.
        address: String,
        /// What the last attempt met, in 1,000 bytes at the most.
        cause: String,
    },
    /// Redis refuses.
    #[error("Redis at {address} refuses: {cause}")]
    Refused {
        /// Host and port.
        address: String,
        /// Redis' own words, 1,000 bytes of them at the most.
        cause: String,
    },
    /// The settings of the connection are wrong.
    #[error("{0}")]
    Settings(String),
}
