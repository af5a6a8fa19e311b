//! What a process writes, line by line.

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{net::unix::pipe::Receiver, sync::watch};

/// Lines kept of a process; the oldest go first.
const LINES_KEPT: usize = 20_000;

/// Bytes taken from a pipe at a time.
const BYTES_AT_A_TIME: usize = 16 << 10;

/// The lines that a process has written, standard output and error as they came.
///
/// Whoever asks for them has all that was written before: what is still in a pipe is taken out of it
/// first. So what a function writes before it answers is there with its answer.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Those written so far.
    lines: watch::Sender<Vec<String>>,
    /// What they come through.
    pipes: Mutex<Vec<Arc<Pipe>>>,
    /// Whether to repeat them on standard error.
    echo: AtomicBool,
    /// What must not be in any of them.
    secrets: Vec<String>,
    /// The first line that has one of those.
    leak: OnceLock<String>,
}

impl Output {
    /// Nothing yet, of a process that must not write any of these texts.
    pub(crate) fn new(secrets: Vec<String>) -> Self {
        Self {
            secrets,
            ..Self::default()
        }
    }

    /// Reads what comes through a pipe; the future ends with it.
    pub(crate) fn read(
        self: &Arc<Self>,
        pipe: OwnedFd,
    ) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let pipe = Arc::new(Pipe::new(pipe)?);
        self.pipes.lock().push(Arc::clone(&pipe));
        let output = Arc::clone(self);
        Ok(async move {
            let read = |piece: &mut [u8]| pipe.end.try_read(piece);
            while pipe.end.readable().await.is_ok() {
                if let Taken::Ended = output.take(&pipe, read) {
                    break;
                }
            }
        })
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.take_all();
        self.lines.borrow().clone()
    }

    /// The last `count` lines so far, as one text.
    pub(crate) fn tail(&self, count: usize) -> String {
        self.take_all();
        let lines = self.lines.borrow();
        let skipped = lines.len().saturating_sub(count);
        let tail: Vec<&str> = lines.iter().skip(skipped).map(String::as_str).collect();
        tail.join("\n")
    }

    /// The first line that contains `text`, when it comes.
    pub(crate) async fn wait_for(&self, text: &str) -> String {
        let mut lines = self.lines.subscribe();
        let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(text));
        // The sender lives as long as `self`.
        let lines = match lines.wait_for(found).await {
            Ok(lines) => lines,
            Err(_) => return String::new(),
        };
        let line = lines.iter().find(|line| line.contains(text));
        line.cloned().unwrap_or_default()
    }

    /// The first line that has a secret in it, if one has.
    pub(crate) fn leak(&self) -> Option<&String> {
        self.take_all();
        self.leak.get()
    }

    /// Repeats on standard error what has come, and from now on each line as it comes.
    pub(crate) fn echo(&self) {
        if !self.echo.swap(true, Ordering::Relaxed) {
            self.lines.borrow().iter().for_each(|line| repeat(line));
        }
    }

    /// Takes what is in the pipes.
    fn take_all(&self) {
        let pipes = self.pipes.lock().clone();
        for pipe in pipes {
            // The pipe itself is asked: that there is nothing, the runtime may only not know yet.
            self.take(&pipe, |piece| Ok(rustix::io::read(&pipe.end, piece)?));
        }
    }

    /// Takes what is in a pipe: no more than it holds, so that it ends however much comes.
    fn take(&self, pipe: &Pipe, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> Taken {
        // Held throughout, so that lines stay whole and in order.
        let mut unfinished = pipe.unfinished.lock();
        let mut piece = [0; BYTES_AT_A_TIME];
        let mut taken = 0;
        while taken < pipe.capacity {
            match read(&mut piece) {
                Ok(0) => {
                    self.push(&mut unfinished);
                    return Taken::Ended;
                }
                Ok(length) => {
                    taken += length;
                    for part in piece[..length].split_inclusive(|byte| *byte == b'\n') {
                        unfinished.extend_from_slice(part);
                        if part.ends_with(b"\n") {
                            self.push(&mut unfinished);
                        }
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Taken::WhatThereWas,
                    _ => return Taken::Ended,
                },
            }
        }
        Taken::WhatThereWas
    }

    /// Adds a line, if there is anything of one.
    fn push(&self, line: &mut Vec<u8>) {
        if line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        line.clear();
        let is_secret = |secret: &String| text.contains(secret.as_str());
        if self.secrets.iter().any(is_secret) {
            // Only the first is kept.
            let _ = self.leak.set(text.clone());
        }
        if self.echo.load(Ordering::Relaxed) {
            repeat(&text);
        }
        self.lines.send_modify(|lines| {
            if lines.len() >= LINES_KEPT {
                lines.drain(..LINES_KEPT / 2);
            }
            lines.push(text);
        });
    }
}

/// One of the pipes that a process writes into.
#[derive(Debug)]
struct Pipe {
    /// Our end, which never blocks.
    end: Receiver,
    /// How much may be in it.
    capacity: usize,
    /// What has come of a line without its end.
    unfinished: Mutex<Vec<u8>>,
}

/// What became of a pipe.
enum Taken {
    /// What was in it is taken, and more may come.
    WhatThereWas,
    /// Nothing will come.
    Ended,
}

impl Pipe {
    fn new(end: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            capacity: rustix::pipe::fcntl_getpipe_size(&end)?,
            end: Receiver::from_owned_fd(end)?,
            unfinished: Mutex::default(),
        })
    }
}

fn repeat(line: &str) {
    // Nobody to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn pipe(output: &Arc<Output>) -> (OwnedFd, impl Future<Output = ()> + Send + 'static) {
        let (end, other) = rustix::pipe::pipe().expect("a pipe");
        (other, output.read(end).expect("a pipe can be read"))
    }

    fn write(pipe: impl AsFd, text: &str) {
        let written = rustix::io::write(pipe, text.as_bytes());
        assert_eq!(written, Ok(text.len()));
    }

    /// Kills the mutant without `take_all`: nobody else reads the pipe here.
    #[tokio::test]
    async fn what_was_written_is_there_before_anybody_has_read_on() {
        let output = Arc::new(Output::new(vec!["geheim".to_owned()]));
        let (pipe, _reader) = pipe(&output);
        write(&pipe, "one\ntwo\nthr");
        assert_eq!(output.lines(), ["one", "two"]);
        write(&pipe, "ee\n\ngeheim\n");
        assert_eq!(output.leak().map(String::as_str), Some("geheim"));
        assert_eq!(output.tail(3), "three\n\ngeheim");
    }

    #[tokio::test]
    async fn what_a_pipe_holds_and_more_comes_in_order() {
        let output = Arc::new(Output::default());
        let (pipe, reader) = pipe(&output);
        let reader = tokio::spawn(reader);
        let written = tokio::task::spawn_blocking(move || {
            for number in 0..10_000 {
                write(&pipe, &format!("line {number} of many\n"));
            }
            write(&pipe, "the end");
        });
        written.await.expect("all is written");
        reader.await.expect("all is read");
        let lines = output.lines();
        assert_eq!(lines.len(), 10_001);
        assert_eq!(lines[9_999], "line 9999 of many");
        assert_eq!(lines[10_000], "the end");
    }
}
