//! Being asked to end: by Ctrl-C, by `kill`, by a terminal that is closed.

use crate::problem::Advise;
use anyhow::Result;
use std::future::poll_fn;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask for it.
pub(super) struct Ending(Vec<Signal>);

impl Ending {
    /// From now on these signals do not end the process by themselves.
    pub(super) fn listen() -> Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        // Who starts it with nohup wants it to outlive the terminal.
        let kinds = kinds
            .into_iter()
            .filter(|kind| *kind != SignalKind::hangup() || !is_ignored(*kind));
        let signals = kinds.map(signal).collect::<std::io::Result<_>>();
        let signals = signals.advise(
            || "signals cannot be waited for".to_owned(),
            "close other programs: there are too many open files",
        )?;
        Ok(Self(signals))
    }

    /// Waits until one of them has come.
    pub(super) async fn asked(&mut self) {
        poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            if signals.any(|signal| signal.poll_recv(context).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Whether whoever started this process has it ignore the signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
