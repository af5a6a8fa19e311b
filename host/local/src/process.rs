//! A child process whose output is collected and that is killed when its handle is dropped.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::output::Output;

/// How long to read on for output once the process has ended: its own children may hold the pipe open.
const DRAIN: Duration = Duration::from_millis(500);

/// How long a program that is open for writing is waited for, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// What `/proc` counts the time of processors in: `USER_HZ` of Linux on x86-64 and arm64.
const TICK: Duration = Duration::from_millis(10);

/// A running, stopped or ended child process.
#[derive(Debug)]
pub(crate) struct Process {
    /// The process. While this is locked it is not reaped, so that its id is its own.
    child: Arc<Mutex<Child>>,
    /// What it has written so far.
    output: Arc<Output>,
    /// How it ended, once it has and its output is read.
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// Starts a program that may just have been written: until a child that another thread has forked meanwhile becomes
/// another program, it has that file open for writing too, and nobody can start it.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let started = Instant::now();
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && started.elapsed() < PATIENCE =>
            {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// A thread of this process or of a child, by its state in `/proc`.
#[derive(Debug)]
pub struct Thread(File);

impl Thread {
    /// The one that calls.
    ///
    /// # Errors
    ///
    /// This is not Linux.
    pub fn current() -> io::Result<Self> {
        Self::at(Path::new("/proc/thread-self"))
    }

    fn at(folder: &Path) -> io::Result<Self> {
        File::open(folder.join("stat")).map(Self)
    }

    /// Whether it has nothing to do but to wait, or has ended.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        let mut stat = [0; 64];
        let read = self.0.read_at(&mut stat, 0).unwrap_or_default();
        // The name, in brackets, may have spaces; Linux keeps 15 bytes of it.
        let after = stat.split_at(read).0.rsplit(|byte| *byte == b')').next();
        let state = after.and_then(|after| after.trim_ascii_start().first());
        !matches!(state, Some(b'R' | b'D'))
    }
}

impl Process {
    /// Starts `command`, with no input and with its output collected.
    pub(crate) fn spawn(command: Command) -> Result<Self> {
        Self::spawn_with_secrets(command, Vec::new())
    }

    /// The same of one that must not write any of these texts.
    pub(crate) fn spawn_with_secrets(mut command: Command, secrets: Vec<String>) -> Result<Self> {
        // Before the process, so that its end is not missed.
        let mut children = signal(SignalKind::child())?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(&mut command)
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let pipes = [
            child.stdout.take().map(OwnedFd::from),
            child.stderr.take().map(OwnedFd::from),
        ];
        let child = Arc::new(Mutex::new(child));
        let (sender, ended) = watch::channel(None);
        let output = Arc::new(Output::new(secrets));
        let process = Self {
            child: Arc::clone(&child),
            output: Arc::clone(&output),
            ended,
        };

        let mut readers = JoinSet::new();
        for pipe in pipes.into_iter().flatten() {
            readers.spawn(output.read(pipe)?);
        }
        tokio::spawn(async move {
            let status = loop {
                // Bound here: the lock must not be held while waiting.
                let status = child.lock().try_wait();
                match status {
                    Ok(None) => children.recv().await,
                    Ok(Some(status)) => break status,
                    Err(_) => break ExitStatus::default(),
                };
            };
            let drained = async { while readers.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(DRAIN, drained).await;
            sender.send_replace(Some(status));
        });
        Ok(process)
    }

    /// The most memory it has held so far, in MiB: its resident set at its peak.
    pub(crate) fn peak_memory_mib(&self) -> Result<u64> {
        let id = self.child.lock().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
            .with_context(|| format!("process {id} has ended"))?;
        Ok(kib.trim().parse::<u64>()? / 1024)
    }

    /// The time of a processor that it has had so far, with that of its children that have ended.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let id = self.child.lock().id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name, in brackets, may have spaces.
        let (_, rest) = stat.rsplit_once(')').context("it has a name")?;
        let ticks = rest.split_whitespace().skip(11).take(4);
        let ticks: Vec<u32> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(TICK * ticks.iter().sum::<u32>())
    }

    /// How often its threads were switched to another, by themselves or not.
    pub(crate) fn switches(&self) -> Result<u64> {
        let id = self.child.lock().id();
        let mut switches = 0;
        for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
            for count in counts.filter_map(|line| line.split_whitespace().last()) {
                switches += count.parse::<u64>()?;
            }
        }
        Ok(switches)
    }

    /// Whether none of its threads has anything to do; so it is when it has ended.
    pub(crate) fn is_asleep(&self) -> bool {
        let id = self.child.lock().id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task"));
        let threads = threads.into_iter().flatten().flatten();
        threads
            .filter_map(|thread| Thread::at(&thread.path()).ok())
            .all(|thread| thread.is_asleep())
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child.lock();
        if let Some(status) = child.try_wait()? {
            bail!("process {} has ended with {status}", child.id());
        }
        kill_process(Pid::from_child(&child), signal)
            .with_context(|| format!("cannot signal process {}", child.id()))
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub(crate) async fn kill(&self) {
        // A process that has ended by itself is as good as killed.
        let _ = self.signal(Signal::KILL);
        self.wait().await;
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits until it has ended and its output is read.
    pub(crate) async fn wait(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.ok().and_then(|s| *s);
        // The supervisor only goes without a word when the runtime shuts down.
        status.unwrap_or_default()
    }

    /// What it has written so far, standard output and error as they came.
    pub(crate) fn output(&self) -> &Output {
        &self.output
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // At once, without a turn of the runtime, which may be shutting down after a panic.
        let mut child = self.child.lock();
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, Permissions};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn shell(script: &str) -> Result<Process> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn(command)
    }

    #[tokio::test]
    async fn output_is_complete_when_the_process_has_ended() -> Result<()> {
        let process = shell("echo out; echo err >&2; exit 3")?;
        assert_eq!(process.wait().await.code(), Some(3));
        let mut lines = process.output().lines();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        Ok(())
    }

    #[tokio::test]
    async fn a_dropped_process_is_killed() -> Result<()> {
        let process = shell("echo ready; exec sleep 600")?;
        process.output().wait_for("ready").await;
        let mut ended = process.ended.clone();
        drop(process);
        let ended = ended.wait_for(Option::is_some);
        tokio::time::timeout(Duration::from_secs(10), ended).await??;
        Ok(())
    }

    #[tokio::test]
    async fn a_program_that_is_being_written_is_waited_for() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let program = folder.path().join("program");
        let mut file = File::create(&program)?;
        file.write_all(b"#!/bin/sh\necho up\n")?;
        file.set_permissions(Permissions::from_mode(0o755))?;
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(file);
        });
        let process = Process::spawn(Command::new(&program))?;
        process.output().wait_for("up").await;
        writer.join().expect("it closes the file");
        Ok(())
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Process::spawn(Command::new("/no/such/program")).expect_err("no such program");
        assert!(
            format!("{error:#}").contains("/no/such/program"),
            "{error:#}"
        );
    }
}
