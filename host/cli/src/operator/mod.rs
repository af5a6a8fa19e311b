//! What operators ask for: of a bucket and a Redis that can be reached, or of the deployed function.

mod ask;
pub(crate) mod capture;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod forget;
mod function;
pub(crate) mod preview;
pub(crate) mod progress;
pub(crate) mod publish;
mod reach;
pub(crate) mod read;
pub(crate) mod redrive;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod sync;

pub(crate) use reach::{Reach, ReachArgs};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long ago something was, from milliseconds since the Unix epoch.
fn ago(milliseconds: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = now
        .saturating_sub(Duration::from_millis(milliseconds))
        .as_secs();
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
