//! What a person at a terminal sees: `script` lends one.

use crate::typed::{PROGRAM, surround};
use redis_sync_local::{BUCKET, Effect, Fault, Operation, Redis, S3, variables};
use redis_sync_tests::guest;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long what is expected may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command at a terminal.
pub(crate) struct Terminal {
    child: Child,
    /// What it has said so far.
    pub(crate) said: String,
}

impl Terminal {
    pub(crate) fn open(words: &str, variables: &[(String, String)]) -> Self {
        Self::open_in(Path::new("."), words, variables)
    }

    /// The same in a folder.
    pub(crate) fn open_in(folder: &Path, words: &str, variables: &[(String, String)]) -> Self {
        let mut command = Command::new("script");
        let line = format!("stty cols 100; exec {PROGRAM} {words}");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.current_dir(folder);
        surround(&mut command, variables);
        let is_set = variables.iter().any(|(name, _)| name == "PATH");
        let path = std::env::var("PATH").ok().filter(|_| !is_set);
        command
            .envs(path.map(|path| ("PATH", path)))
            .env("TERM", "xterm")
            .kill_on_drop(true);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let child = child.unwrap_or_else(|error| panic!("script(1) of util-linux: {error}"));
        Self {
            child,
            said: String::new(),
        }
    }

    /// Waits until it has said something.
    pub(crate) async fn sees(&mut self, text: &str) {
        let stdout = self.child.stdout.as_mut().unwrap();
        let reading = async {
            let mut bytes = [0; 4096];
            while !self.said.contains(text) {
                let read = stdout.read(&mut bytes).await.unwrap();
                assert!(read > 0, "`{text}` is not in:\n{}", self.said);
                self.said.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        };
        let seen = timeout(PATIENCE, reading).await;
        assert!(seen.is_ok(), "`{text}` is not in:\n{}", self.said);
    }

    pub(crate) async fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Its status, once it has ended and said all.
    pub(crate) async fn end(&mut self) -> i32 {
        let mut rest = Vec::new();
        let stdout = self.child.stdout.as_mut().unwrap();
        let read = timeout(PATIENCE, stdout.read_to_end(&mut rest)).await;
        read.unwrap().unwrap();
        self.said.push_str(&String::from_utf8_lossy(&rest));
        let ended = self.child.wait().await.unwrap();
        ended.code().unwrap()
    }

    async fn status(mut self) -> i32 {
        timeout(PATIENCE, self.child.wait())
            .await
            .unwrap()
            .unwrap()
            .code()
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_and_sees_a_bar() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    s3.put("a", "1");
    s3.put("b", "2");
    let variables = variables(&s3, &redis);
    s3.inject(Fault {
        operation: Operation::GetObject,
        key: None,
        times: None,
        effect: Effect::Delay(Duration::from_secs(1)),
    });
    let mut terminal = Terminal::open("sync", &variables);
    terminal.sees("Go on? [y/N] ").await;
    let plan = std::mem::take(&mut terminal.said);
    assert!(
        !plan.contains("/0") && !plan.contains('█'),
        "a bar without an end: {plan}"
    );
    terminal.types("y\n").await;
    terminal.sees("0/2").await;
    terminal.sees("2 objects: 2 synced").await;
    assert!(
        terminal.said.contains("\u{1b}[32m"),
        "no colours: {:?}",
        terminal.said
    );
    assert_eq!(terminal.status().await, 0);
    assert_eq!(redis.command(&["MGET", "a", "b"]).await.unwrap(), "1\n2");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_shows_a_change_in_colours_and_ends_with_ctrl_c() {
    let redis = Redis::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("bucket");
    std::fs::create_dir_all(bucket.join("plugins")).unwrap();
    std::fs::write(bucket.join("plugins/flags.wasm"), guest::scripted()).unwrap();
    let object = |value: &str| {
        let entries =
            serde_json::json!({"do": "yield", "entries": {"h": {"hash": {"field": value}}}});
        std::fs::write(bucket.join("flags"), entries.to_string()).unwrap();
    };
    object("old");
    let words = format!("dev --bucket {} --redis {}", bucket.display(), redis.url());
    let mut terminal = Terminal::open(&words, &[]);
    terminal.sees("watching").await;
    object("new");
    terminal.sees("field = new").await;
    let (minus, plus) = (
        "\u{1b}[31m  - field = old\u{1b}[0m",
        "\u{1b}[32m  + field = new\u{1b}[0m",
    );
    assert!(
        terminal.said.contains(minus) && terminal.said.contains(plus),
        "{:?}",
        terminal.said
    );
    terminal.types("\u{3}").await;
    assert_eq!(terminal.status().await, 0);
}
