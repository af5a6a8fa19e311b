//! The real `bootstrap` binary as a child process, invoked through a Runtime API of its own.

use std::{
    borrow::Borrow,
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    REGION,
    process::Process,
    runtime_api::{InvokeError, RuntimeApi},
    s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY},
};

/// What every function signs its requests with as well: Lambda's credentials are those of a role.
const SESSION_TOKEN: &str = "local-session-token";

/// The time an invocation has, unless it is said otherwise.
pub const INVOCATION_LIMIT: Duration = Duration::from_secs(30);

/// Lines of output that an error shows.
const LINES_SHOWN: usize = 20;

/// What Lambda tells every function, and what keeps the AWS SDK off the machine's own settings.
const VARIABLES: [(&str, &str); 9] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "redis-sync"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_REGION", REGION),
    ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
    ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ("AWS_SESSION_TOKEN", SESSION_TOKEN),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// What the function inherits of the environment: for backtraces, coverage and dynamic libraries.
const INHERITED: [&str; 5] = [
    "PATH",
    "TMPDIR",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "LD_LIBRARY_PATH",
];

/// Variables whose values are secrets.
const SECRETS: [&str; 4] = [
    "REDIS_PASSWORD",
    "COMPILED_CACHE_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// A running function. It is killed when this is dropped. One that has written a secret of its variables
/// by then panics.
#[derive(Debug)]
pub struct Function {
    /// The process.
    process: Process,
    /// Where it polls.
    api: RuntimeApi,
}

/// What remains of a function that has ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote, standard output and error as they came.
    pub output: String,
    /// The error document with which it gave up its start, if it sent one.
    pub init_error: Option<Value>,
}

impl Function {
    /// Starts a binary with these variables, which go before those that Lambda sets. It does not
    /// wait until the function is [`ready`](Self::ready): invocations are queued until then.
    ///
    /// # Errors
    ///
    /// The binary cannot be started.
    pub async fn start<K, V>(
        binary: impl AsRef<Path>,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new(binary.as_ref());
        command
            .env_clear()
            .envs(inherited())
            .envs(VARIABLES)
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .envs(variables);
        let values = command.get_envs().filter_map(|(name, value)| {
            let is_secret = SECRETS.iter().any(|secret| name == OsStr::new(secret));
            value.filter(|value| is_secret && !value.is_empty())
        });
        let secrets = values.map(|value| value.to_string_lossy().into_owned());
        let secrets = secrets.collect();
        let process = Process::spawn_with_secrets(command, secrets)?;
        Ok(Self { process, api })
    }

    /// Waits until the function asks for its first invocation.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Exited`], and [`InvokeError::TimedOut`] after 30 seconds.
    pub async fn ready(&self) -> Result<(), InvokeError> {
        tokio::select! {
            biased;
            () = self.api.polled() => Ok(()),
            status = self.process.wait() => Err(self.exited(status)),
            () = tokio::time::sleep(INVOCATION_LIMIT) => {
                Err(InvokeError::TimedOut(INVOCATION_LIMIT))
            }
        }
    }

    /// Invokes the function with an event and waits for its answer.
    ///
    /// # Errors
    ///
    /// Any [`InvokeError`].
    pub async fn invoke(&self, event: impl Borrow<Value>) -> Result<Value, InvokeError> {
        self.invoke_within(event, INVOCATION_LIMIT).await
    }

    /// Invokes the function with an event and waits for its answer until a deadline, which the
    /// function is told.
    ///
    /// # Errors
    ///
    /// Any [`InvokeError`].
    pub async fn invoke_within(
        &self,
        event: impl Borrow<Value>,
        limit: Duration,
    ) -> Result<Value, InvokeError> {
        tokio::select! {
            biased;
            answer = self.api.invoke(event.borrow().to_string(), limit) => answer,
            status = self.process.wait() => Err(self.exited(status)),
        }
    }

    /// The Runtime API, for payloads that are not JSON.
    #[must_use]
    pub fn api(&self) -> &RuntimeApi {
        &self.api
    }

    /// What the function has written so far, line by line.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.process.output().lines()
    }

    /// The first line that contains `text`, when it comes.
    ///
    /// # Errors
    ///
    /// It has not come after 30 seconds.
    pub async fn wait_for_log(&self, text: &str) -> Result<String> {
        let line = self.process.output().wait_for(text);
        tokio::time::timeout(INVOCATION_LIMIT, line)
            .await
            .with_context(|| {
                let output = self.process.output().tail(LINES_SHOWN);
                format!("the function has not written {text:?}, but:\n{output}")
            })
    }

    /// The most memory the function has held so far, in MiB: its resident set at its peak.
    ///
    /// # Errors
    ///
    /// It has ended, or this is not Linux.
    pub fn peak_memory_mib(&self) -> Result<u64> {
        self.process.peak_memory_mib()
    }

    /// The time of a processor that the function has had so far.
    ///
    /// # Errors
    ///
    /// As [`peak_memory_mib`](Self::peak_memory_mib).
    pub fn processor_time(&self) -> Result<Duration> {
        self.process.processor_time()
    }

    /// How often threads of the function were switched to others so far.
    ///
    /// # Errors
    ///
    /// As [`peak_memory_mib`](Self::peak_memory_mib).
    pub fn switches(&self) -> Result<u64> {
        self.process.switches()
    }

    /// Whether none of the function's threads has anything to do.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.process.is_asleep()
    }

    /// Repeats the function's output on standard error, from its start on.
    pub fn echo(&self) {
        self.process.output().echo();
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Ends it with SIGTERM and waits until it is gone.
    ///
    /// # Errors
    ///
    /// It has ended before.
    pub async fn terminate(&self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        self.process.wait().await;
        Ok(())
    }

    /// Stops it with SIGSTOP, as Lambda freezes a function between invocations.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Continues it with SIGCONT.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Waits until the function ends by itself.
    ///
    /// # Errors
    ///
    /// It is still running after 30 seconds.
    pub async fn wait_exit(&self) -> Result<Ended> {
        let status = tokio::time::timeout(INVOCATION_LIMIT, self.process.wait())
            .await
            .with_context(|| {
                let output = self.process.output().tail(LINES_SHOWN);
                format!("the function is still running:\n{output}")
            })?;
        Ok(Ended {
            status,
            output: self.logs().join("\n"),
            init_error: self.api.init_error(),
        })
    }

    fn exited(&self, status: ExitStatus) -> InvokeError {
        InvokeError::Exited {
            status,
            output: self.process.output().tail(LINES_SHOWN),
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let leak = self.process.output().leak();
        if let Some(line) = leak.filter(|_| !std::thread::panicking()) {
            panic!("the function has written a secret: {line}");
        }
    }
}

fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    INHERITED
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use serde_json::json;

    use super::*;

    const NOTHING: [(&str, &str); 0] = [];

    #[tokio::test]
    async fn a_function_that_ends_answers_at_once() -> Result<()> {
        let function = Function::start("false", NOTHING).await?;
        let error = function.invoke(json!({})).await.expect_err("it has ended");
        assert!(matches!(error, InvokeError::Exited { .. }), "{error}");
        assert_eq!(function.wait_exit().await?.status.code(), Some(1));
        Ok(())
    }

    #[tokio::test]
    async fn the_environment_is_what_it_is_told() -> Result<()> {
        let function = Function::start(
            "env",
            [
                ("AWS_REGION", "eu-west-1"),
                ("AWS_SECRET_ACCESS_KEY", ""),
                ("AWS_SESSION_TOKEN", ""),
            ],
        )
        .await?;
        let ended = function.wait_exit().await?;
        let has = |line: &str| ended.output.lines().any(|it| it == line);
        assert!(has("AWS_REGION=eu-west-1"), "{}", ended.output);
        assert!(
            has("AWS_LAMBDA_FUNCTION_NAME=redis-sync"),
            "{}",
            ended.output
        );
        assert!(!ended.output.contains("CARGO"), "{}", ended.output);
        Ok(())
    }

    #[tokio::test]
    #[should_panic(expected = "has written a secret")]
    async fn a_function_that_writes_a_secret_fails_its_test() {
        let variables = [("REDIS_PASSWORD", "correct-horse")];
        let function = Function::start("env", variables).await.expect("it starts");
        function.wait_exit().await.expect("it ends");
    }

    #[tokio::test]
    async fn a_killed_function_says_so() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("bootstrap");
        fs::write(&script, "#!/bin/sh\necho up\nexec sleep 600\n")?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        let function = Function::start(&script, NOTHING).await?;
        function.wait_for_log("up").await?;
        function.kill().await;
        let error = function.ready().await.expect_err("it was killed");
        assert!(error.to_string().contains("SIGKILL"), "{error}");
        assert!(function.pause().is_err());
        Ok(())
    }
}
