//! Logs: one JSON object a line on stdout, as Lambda's JSON log format wants them.

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` filters by target; without it `AWS_LAMBDA_LOG_LEVEL` is the level.
///
/// Lines of plugins are under the target `plugin`. Neither bodies nor values are ever logged.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .ok()
        .filter(|level| !level.is_empty());
    let level = level.map_or_else(
        || "info".to_owned(),
        |level| level.to_ascii_lowercase().replace("fatal", "error"),
    );
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .finish();
    // Whoever was first to install a subscriber is fine.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
