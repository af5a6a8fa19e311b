//! What a guest says: capped, and under a log target of its own.

use crate::text::clip_to;
use std::sync::Arc;
use tracing::Level;

/// Lines of one run that are kept.
const MAX_LINES: u32 = 200;

/// Bytes of a line that are kept.
const MAX_LINE_BYTES: usize = 1000;

/// Who speaks.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) plugin: Arc<str>,
    pub(super) object: Arc<str>,
}

/// The log of one run.
#[derive(Debug)]
pub(super) struct GuestLog {
    /// `None` where the same run has said the same before.
    speaker: Option<Speaker>,
    /// Lines kept so far.
    lines: u32,
    /// Lines that were too many.
    dropped: u64,
    /// The last line kept of stderr, which is a command's message when it fails.
    last_error: String,
}

impl GuestLog {
    pub(super) fn new(speaker: Option<Speaker>) -> Self {
        Self {
            speaker,
            lines: 0,
            dropped: 0,
            last_error: String::new(),
        }
    }

    /// Writes one line.
    pub(super) fn write(&mut self, level: Level, line: &str) {
        if self.lines >= MAX_LINES {
            self.dropped += 1;
            return;
        }
        self.lines += 1;
        self.emit(level, clip_to(line, MAX_LINE_BYTES));
    }

    /// Writes one line of stderr.
    pub(super) fn write_stderr(&mut self, line: &str) {
        if !line.trim().is_empty() {
            clip_to(line, MAX_LINE_BYTES).clone_into(&mut self.last_error);
        }
        self.write(Level::INFO, line);
    }

    /// Ends the log: says how many lines were dropped. Returns the last line of stderr.
    pub(super) fn finish(&mut self) -> String {
        if self.dropped > 0 {
            let said = format!(
                "{} more lines were dropped: {MAX_LINES} of one object are kept",
                self.dropped
            );
            self.emit(Level::WARN, &said);
            self.dropped = 0;
        }
        std::mem::take(&mut self.last_error)
    }

    fn emit(&self, level: Level, message: &str) {
        let Some(Speaker { plugin, object }) = &self.speaker else {
            return;
        };
        let (plugin, object) = (&**plugin, &**object);
        match level {
            Level::ERROR => tracing::error!(target: "plugin", plugin, object, "{message}"),
            Level::WARN => tracing::warn!(target: "plugin", plugin, object, "{message}"),
            Level::INFO => tracing::info!(target: "plugin", plugin, object, "{message}"),
            Level::DEBUG => tracing::debug!(target: "plugin", plugin, object, "{message}"),
            Level::TRACE => tracing::trace!(target: "plugin", plugin, object, "{message}"),
        }
    }
}

/// Cuts a stream of bytes into lines, keeping no more of a line than is logged of it.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    line: Vec<u8>,
}

impl LineBuffer {
    /// Takes bytes, and hands over every line that they end.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = (MAX_LINE_BYTES + 4).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                line(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            }
        }
    }

    /// Hands over what is left without a line's end.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.line.is_empty() {
            line(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_past_the_limit_are_counted_not_kept() {
        let mut log = GuestLog::new(Some(Speaker {
            plugin: "p".into(),
            object: "o".into(),
        }));
        for _ in 0..MAX_LINES + 5 {
            log.write(Level::INFO, "line");
        }
        assert_eq!((log.lines, log.dropped), (MAX_LINES, 5));
        log.finish();
        assert_eq!(log.dropped, 0, "it is told once");
    }

    #[test]
    fn a_stream_is_cut_into_lines_and_a_long_one_is_bounded() {
        let (mut buffer, mut lines) = (LineBuffer::default(), Vec::new());
        buffer.push(b"a\nb", |line| lines.push(line.to_owned()));
        buffer.push(b"c\n\n", |line| lines.push(line.to_owned()));
        buffer.push(&vec![b'x'; 100_000], |line| lines.push(line.to_owned()));
        assert!(buffer.line.len() < 2000);
        buffer.finish(|line| lines.push(line.to_owned()));
        assert_eq!(lines[..3], ["a", "bc", ""]);
        assert_eq!(lines.len(), 4);
        let longest = "x".repeat(MAX_LINE_BYTES);
        buffer.push(longest.as_bytes(), |_| ());
        buffer.push(b"\n", |line| assert_eq!(line, longest));
    }
}
