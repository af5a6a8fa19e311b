//! A real Redis server.

mod binary;
mod certificates;
mod cluster;
mod command;
mod config;
mod port;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use parking_lot::{Mutex, MutexGuard};
use rustix::process::Signal;
use tempfile::TempDir;

use self::certificates::Certificates;
use crate::process::Process;
use crate::tied;

pub use self::cluster::RedisCluster;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked whether it is up.
const POLL: Duration = Duration::from_millis(5);

/// How many ports are tried.
const PORTS_TRIED: usize = 10;

/// Lines of output that an error shows.
const LINES_SHOWN: usize = 20;

/// What Redis says of a port that is not free.
const PORT_TAKEN: &str = "Address already in use";

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Lines of `redis.conf` besides those that give it a port, a folder and no persistence.
    pub config: Vec<String>,
    /// Whether it speaks TLS, and nothing else, on its port.
    pub tls: bool,
    /// This program, where it hands its arguments to [`run_child`](crate::tied::run_child): the
    /// server then ends with it, also where it is killed. Whoever starts it does so from a thread that
    /// lasts, which counts as the program.
    pub tied_by: Option<PathBuf>,
}

/// A Redis server on 127.0.0.1, without persistence. It is killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    /// The server's binary.
    binary: PathBuf,
    /// How it was started.
    options: RedisOptions,
    /// The process, which `restart` replaces. It is dropped before the folder that it writes to.
    process: Mutex<Arc<Process>>,
    /// Holds its configuration, certificates and Unix socket.
    folder: TempDir,
    /// Its port.
    port: u16,
    /// The port of its cluster bus, if it is used.
    bus_port: u16,
    /// Its certificates, where it speaks TLS.
    certificates: Option<Arc<Certificates>>,
}

impl Redis {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// There is no server binary (the message says how to install one), or it does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::default()).await
    }

    /// Starts a server that speaks TLS: see [`ca_file`](Self::ca_file).
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or the server was built without TLS.
    pub async fn start_with_tls() -> Result<Self> {
        let options = RedisOptions {
            tls: true,
            ..RedisOptions::default()
        };
        Self::start_with(options).await
    }

    /// Starts a server with options and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or the options do not please it.
    pub async fn start_with(options: RedisOptions) -> Result<Self> {
        let certificates = certificates(&options)?;
        Self::start_certified(options, certificates).await
    }

    /// Starts a server that shares its certificates with others.
    async fn start_certified(
        options: RedisOptions,
        certificates: Option<Arc<Certificates>>,
    ) -> Result<Self> {
        let binary = binary::find()?;
        for _ in 0..PORTS_TRIED {
            let redis = Self::spawn(&binary, options.clone(), certificates.clone())?;
            match redis.ready().await {
                Err(error) if error.to_string().contains(PORT_TAKEN) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(redis),
            }
        }
        bail!("{PORTS_TRIED} ports in a row were taken");
    }

    /// The port, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL for clients. That of a server with TLS needs [`ca_file`](Self::ca_file) too.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// The certificate authority that a client of a server with TLS must trust, in PEM.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        let certificates = self.certificates.as_ref()?;
        Some(&certificates.authority)
    }

    /// Sends the server a command as the default user, beside its port, so that TLS is no obstacle,
    /// and gives the answer as text (arrays of strings a line each).
    ///
    /// # Errors
    ///
    /// Redis answers with an error, or not within 30 seconds.
    pub async fn command(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.folder.path().join("redis.sock");
        let answer = async { command::text(command::send(&socket, arguments).await?) };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .context("timed out")
            .flatten()
            .with_context(|| format!("redis command {:?}", arguments.first().unwrap_or(&"")))
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub async fn kill(&self) {
        self.process().kill().await;
    }

    /// Kills it if it is running, starts it again on the same port, empty, and waits until it answers.
    ///
    /// # Errors
    ///
    /// It does not start, or something else keeps its port.
    pub async fn restart(&self) -> Result<()> {
        self.kill().await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let process = launch(&self.binary, self.folder.path(), &self.options)?;
            *self.slot() = Arc::new(process);
            match self.ready().await {
                Err(error)
                    if error.to_string().contains(PORT_TAKEN) && Instant::now() < deadline => {}
                ready => return ready,
            }
        }
    }

    /// Stops it with SIGSTOP: connections stay open and nothing is answered.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn pause(&self) -> Result<()> {
        self.process().signal(Signal::STOP)
    }

    /// Continues it with SIGCONT.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn resume(&self) -> Result<()> {
        self.process().signal(Signal::CONT)
    }

    /// What it has written so far, line by line.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.process().output().lines()
    }

    fn spawn(
        binary: &Path,
        options: RedisOptions,
        certificates: Option<Arc<Certificates>>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir()?;
        let (port, bus_port) = (port::free()?, port::free()?);
        let lines = config::lines(
            folder.path(),
            (port, bus_port),
            certificates.as_deref(),
            &options,
        );
        fs::write(folder.path().join("redis.conf"), lines.join("\n"))?;
        let process = launch(binary, folder.path(), &options)?;
        Ok(Self {
            binary: binary.to_owned(),
            options,
            folder,
            port,
            bus_port,
            certificates,
            process: Mutex::new(Arc::new(process)),
        })
    }

    /// Waits until it answers. Its own socket is asked: on the port may be another server.
    async fn ready(&self) -> Result<()> {
        let socket = self.folder.path().join("redis.sock");
        let process = self.process();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = || process.output().tail(LINES_SHOWN);
            if let Some(status) = process.ended() {
                bail!(
                    "{} ended with {status}:\n{}",
                    self.binary.display(),
                    output()
                );
            }
            match tokio::time::timeout(PATIENCE, command::send(&socket, &["PING"])).await {
                Ok(Ok(_)) => return Ok(()),
                // It is up, and has a password.
                Ok(Err(error)) if error.code() == Some("NOAUTH") => return Ok(()),
                _ => {}
            }
            let late = Instant::now() > deadline;
            ensure!(!late, "redis does not answer:\n{}", output());
            tokio::time::sleep(POLL).await;
        }
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.slot())
    }

    fn slot(&self) -> MutexGuard<'_, Arc<Process>> {
        self.process.lock()
    }
}

/// Certificates, where the options want some.
fn certificates(options: &RedisOptions) -> Result<Option<Arc<Certificates>>> {
    let wanted = options.tls.then(Certificates::generate);
    Ok(wanted.transpose()?.map(Arc::new))
}

fn launch(binary: &Path, folder: &Path, options: &RedisOptions) -> Result<Process> {
    let mut command = match &options.tied_by {
        Some(program) => tied::command(program, binary),
        None => Command::new(binary),
    };
    command.arg(folder.join("redis.conf"));
    Process::spawn(command)
}

#[cfg(test)]
mod tests;
