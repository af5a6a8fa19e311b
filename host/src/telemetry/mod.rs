//! Logs: one flat JSON object a line on stdout, with the keys that CloudWatch's and Powertools' readers
//! know.
//!
//! | key | what |
//! | --- | --- |
//! | `timestamp`, `level`, `message`, `target` | when, how bad, what, and which part says it |
//! | `service`, `function_name` | who |
//! | `function_request_id`, `xray_trace_id`, `cold_start` | the invocation, where it belongs to one |
//! | any other | what the message is about; the same name is the same thing everywhere |
//!
//! Lines of plugins are under the target `plugin`. Neither bodies nor values nor secrets are ever
//! logged: so what our dependencies say below INFO is not (their requests have credentials in their
//! headers), and of a panic only where it was, with its words where these are in the code.

mod filter;
mod line;

use line::JsonLines;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// Starts logging. `RUST_LOG` filters by target; without it `AWS_LAMBDA_LOG_LEVEL` is the level.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .ok()
        .filter(|level| !level.is_empty());
    let level = level.map_or_else(
        || "info".to_owned(),
        |level| level.to_ascii_lowercase().replace("fatal", "error"),
    );
    let by_target = std::env::var("RUST_LOG").ok();
    let filter = by_target
        .filter(|filter| !filter.is_empty())
        .and_then(|filter| filter.parse::<Targets>().ok())
        .or_else(|| level.parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = JsonLines::new(std::io::stdout);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // Whoever was first to install a subscriber is fine.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        // Words that are made when it happens may have a part of a body in them.
        let why = panic.payload().downcast_ref::<&'static str>();
        tracing::error!(place, why, "panicked");
    }));
}
