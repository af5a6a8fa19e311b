//! A guest's stdout and stderr: into the log, or into the output.

use super::guest_log::{GuestLog, LineBuffer};
use super::memory::{NoRoom, Room};
use crate::budget::Held;
use crate::number::to_u64;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a guest may write at a time.
const CHUNK: usize = 64 * 1024;

/// Raised where stdout passes the output limit.
#[derive(Debug, thiserror::Error)]
#[error("the output limit is reached")]
pub(super) struct OutputLimit;

/// Where the bytes go.
enum Sink {
    Log {
        log: Arc<Mutex<GuestLog>>,
        /// The line that has begun.
        buffer: LineBuffer,
        /// Whether it is stderr, whose last line is the message of a command that fails.
        stderr: bool,
    },
    Output {
        /// What was written.
        bytes: Vec<u8>,
        /// How many bytes that may be.
        limit: usize,
        /// Where memory for them is taken.
        room: Room,
        /// What was taken.
        held: Option<Held>,
    },
}

/// One of a guest's output streams; clones write to the same place.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Sink>>);

impl Stream {
    /// Lines become log lines.
    pub(super) fn to_log(log: &Arc<Mutex<GuestLog>>, stderr: bool) -> Self {
        let sink = Sink::Log {
            log: Arc::clone(log),
            buffer: LineBuffer::default(),
            stderr,
        };
        Self(Arc::new(Mutex::new(sink)))
    }

    /// Bytes are kept, `limit` of them.
    pub(super) fn to_output(limit: usize, room: &Room) -> Self {
        Self(Arc::new(Mutex::new(Sink::Output {
            bytes: Vec::new(),
            limit,
            room: room.clone(),
            held: None,
        })))
    }

    /// Ends the stream; returns what was kept, and the memory that was taken for it.
    pub(super) fn finish(&self) -> (Vec<u8>, Option<Held>) {
        match &mut *self.0.lock() {
            Sink::Log {
                log,
                buffer,
                stderr,
            } => {
                buffer.finish(|line| log_line(log, *stderr, line));
                (Vec::new(), None)
            }
            Sink::Output { bytes, held, .. } => (std::mem::take(bytes), held.take()),
        }
    }
}

fn log_line(log: &Mutex<GuestLog>, stderr: bool, line: &str) {
    if stderr {
        log.lock().write_stderr(line);
    } else {
        log.lock().write(Level::INFO, line);
    }
}

/// Has `kept` take so many bytes more: by a quarter of itself at a time, so that little is unused.
fn make_room(
    kept: &mut Vec<u8>,
    held: &mut Option<Held>,
    more: usize,
    room: &Room,
) -> Result<(), NoRoom> {
    if kept.capacity() - kept.len() >= more {
        return Ok(());
    }
    let by = more.max(kept.len() / 4).max(CHUNK);
    let taken = room.take(to_u64(by))?;
    kept.reserve_exact(by);
    match held {
        Some(held) => held.join(taken),
        none => *none = Some(taken),
    }
    Ok(())
}

#[async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match &mut *self.0.lock() {
            Sink::Log {
                log,
                buffer,
                stderr,
            } => buffer.push(&bytes, |line| log_line(log, *stderr, line)),
            Sink::Output {
                bytes: kept,
                limit,
                room,
                held,
            } => {
                if bytes.len() > limit.saturating_sub(kept.len()) {
                    return Err(StreamError::Trap(OutputLimit.into()));
                }
                make_room(kept, held, bytes.len(), room)
                    .map_err(|error| StreamError::Trap(error.into()))?;
                kept.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 only, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use std::collections::BTreeSet;
    use std::time::Instant;

    #[test]
    fn room_is_taken_before_an_output_has_it_and_in_few_steps() {
        let budget = Budget::new(64 << 20);
        let (account, _) = budget.try_open(0, 0, Instant::now()).unwrap().unwrap();
        let mut stream = Stream::to_output(8 << 20, &Room::new(&account));
        let (piece, mut written, mut steps) = (Bytes::from(vec![0; 1000]), 0, BTreeSet::new());
        while written < 4_000_000 {
            stream.write(piece.clone()).unwrap();
            written += piece.len();
            let most = written + 2 * CHUNK.max(written / 4);
            assert!((to_u64(written)..=to_u64(most)).contains(&budget.held()));
            steps.insert(budget.held());
        }
        assert!(steps.len() < 30, "{}", steps.len());
        let (bytes, held) = stream.finish();
        assert!(to_u64(bytes.capacity()) <= held.unwrap().bytes());
    }
}
