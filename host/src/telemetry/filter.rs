//! What is written whatever level is asked for, and what is not.

use tracing::{Level, Metadata};

/// Whose lines are written at every level.
const OWN_TARGETS: [&str; 3] = ["redis_sync", "bootstrap", "plugin"];

/// Where `lambda_runtime` writes an error that a handler returned, which is written where it is handled.
const TOLD_TWICE: &str = "lambda_runtime::layers::panic";

/// Whether a line may be written, whatever the filter says.
pub(super) fn is_written(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_own = |own: &&str| {
        let rest = target.strip_prefix(*own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    OWN_TARGETS.iter().any(is_own) || (*metadata.level() <= Level::INFO && target != TOLD_TWICE)
}
