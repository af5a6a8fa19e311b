//! From a module's bytes to machine code, in a limited child process.
//!
//! The child is this program again ([`compiling`](super::compiling)), with no environment, a limit on
//! memory and processor time, and a timer over it. Whatever becomes of it, this process has lost
//! nothing but a child: what it says, or how it ended, is why the module cannot be used.

use super::PluginError;
use super::compiling::{COMMAND, CompileLimits, MAX_ARTIFACT_BYTES, REFUSED};
use crate::budget::Account;
use crate::invocation;
use crate::sandbox::{Plugin, Sandbox};
use crate::text::clip;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// Modules that are compiled at a time.
const MAX_COMPILING: usize = 2;

/// How long a child may take, however little of the processor it gets; also where the function is frozen
/// meanwhile.
const MAX_DURATION: Duration = Duration::from_secs(600);

/// Bytes of what a child says that are read.
const MAX_WORDS: u64 = 4000;

/// Number of the signal by which the system ends a child when it is short of memory, whoever takes that.
const SIGKILL: i32 = 9;

/// Numbers of the signals by which the limits end a child.
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// Compiles modules, a few at a time.
pub struct Compiler {
    /// The program that is the compiling child.
    program: PathBuf,
    /// What each child may use.
    limits: CompileLimits,
    /// How long a child may take, however little of the processor it gets.
    patience: Duration,
    /// One permit a child.
    permits: Semaphore,
}

impl Compiler {
    /// A compiler whose child is `program`: the Lambda's binary, or another that begins with
    /// [`run_child`](super::run_child).
    pub fn new(program: impl Into<PathBuf>, limits: CompileLimits) -> Self {
        Self {
            program: program.into(),
            limits,
            patience: MAX_DURATION,
            permits: Semaphore::new(MAX_COMPILING),
        }
    }

    /// The memory that a child may take, in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.limits.memory_bytes
    }

    /// Checks a module, makes it a component, compiles that, and maps the machine code. What the
    /// child may take is taken from the account.
    pub(super) async fn compile(
        &self,
        sandbox: &Arc<Sandbox>,
        module: Bytes,
        account: &Account,
    ) -> Result<Plugin, PluginError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let _held = account.take(self.limits.memory_bytes).await;
        let artifact = Artifact::create().map_err(|error| no_child(&error))?;
        let child = self.start(&artifact).map_err(|error| no_child(&error))?;
        let (status, words) = tokio::time::timeout(self.patience, finish(child, module))
            .await
            .map_err(|_| {
                let seconds = self.patience.as_secs();
                PluginError::Interrupted(format!("it was not done after {seconds} s").into())
            })?
            .map_err(|error| no_child(&error))?;
        self.explain(status, &words)?;
        let sandbox = Arc::clone(sandbox);
        invocation::spawn_blocking(move || sandbox.map(&artifact.path()))
            .await
            .map_err(|_| PluginError::Crashed)?
            .map_err(|error| PluginError::invalid(error.to_string()))
    }

    fn start(&self, artifact: &Artifact) -> io::Result<Child> {
        Command::new(&self.program)
            .arg(COMMAND)
            .arg(self.limits.memory_bytes.to_string())
            .arg(self.limits.processor.as_secs().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(artifact.file.try_clone()?)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Why a child has left no machine code, if it has not.
    fn explain(&self, status: ExitStatus, words: &str) -> Result<(), PluginError> {
        if status.success() {
            return Ok(());
        }
        if status.code() == Some(REFUSED.into()) {
            return Err(PluginError::invalid(words.trim()));
        }
        if status.signal() == Some(SIGKILL) {
            let why = format!("the system killed the compiler ({status})");
            return Err(PluginError::Interrupted(why.into()));
        }
        let CompileLimits {
            memory_bytes,
            processor,
        } = self.limits;
        Err(PluginError::invalid(match status.signal() {
            Some(SIGXCPU) => {
                let seconds = processor.as_secs();
                format!("compiling it took more than {seconds} s of processor time")
            }
            Some(SIGXFSZ) => {
                let mib = MAX_ARTIFACT_BYTES >> 20;
                format!("its machine code has more than {mib} MiB")
            }
            _ if words.contains("memory allocation of") => {
                let mib = memory_bytes >> 20;
                format!("compiling it took more than {mib} MiB")
            }
            _ if words.contains("has overflowed its stack") => {
                "compiling it exhausts the compiler's stack: it nests too deep".to_owned()
            }
            _ => format!("it ends the compiler ({status})"),
        }))
    }
}

/// Hands a child its module, and waits for its end and its words.
async fn finish(mut child: Child, module: Bytes) -> io::Result<(ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A child that does not read to the end says why.
            let _ = stdin.write_all(&module).await;
        }
    };
    let read = async {
        let mut words = Vec::new();
        if let Some(stderr) = stderr {
            let _ = stderr.take(MAX_WORDS).read_to_end(&mut words).await;
        }
        words
    };
    let ((), words, status) = tokio::join!(write, read, child.wait());
    let words = String::from_utf8_lossy(&words).into_owned();
    Ok((status?, clip(&words).to_owned()))
}

/// Where no child can be started nothing is compiled: this process does not do it itself.
fn no_child(error: &io::Error) -> PluginError {
    PluginError::NoChild(error.to_string().into())
}

/// A file for machine code. It has no name any more when it is written to, so that nothing of it is left
/// however this process ends; what is mapped of it stays mapped.
struct Artifact {
    file: File,
}

impl Artifact {
    fn create() -> io::Result<Self> {
        let name = format!("redis-sync-{:016x}", RandomState::new().hash_one(()));
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self { file })
    }

    /// Where this process finds it.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests;
