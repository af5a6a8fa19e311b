//! From an empty folder to a Redis that follows the source: `new`, an edit, `test`, `dev`, a look into
//! Redis.

use anyhow::{Context, Result, ensure};
use redis_sync_local::Redis;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The time that all commands are to take beyond cargo's, and that from saving an object to seeing what
/// changed. They are printed; a machine with other work may take [`SLOWER`] times as long.
const OWN_TIME: Duration = Duration::from_secs(5);
const SEEN: Duration = Duration::from_secs(1);
const SLOWER: u32 = 10;

/// How long cargo may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A call of the program in a folder.
fn redis_sync(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-sync"));
    command
        .args(arguments)
        .current_dir(folder)
        // The dependencies are built once for all runs of this test.
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/story"),
        )
        .kill_on_drop(true);
    command
}

/// Its status and what it says.
async fn answer(mut command: Command) -> Result<(Option<i32>, String)> {
    let output = command.output().await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8(said)?))
}

fn edit(file: &Path, old: &str, new: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    ensure!(text.contains(old), "{} has no `{old}`", file.display());
    Ok(std::fs::write(file, text.replace(old, new))?)
}

/// A running `dev`.
struct Dev {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Dev {
    fn start(project: &Path, redis: &Redis) -> Result<Self> {
        let url = redis.url();
        let mut dev = redis_sync(
            project,
            &["--json", "dev", "--bucket", "bucket", "--redis", &url],
        );
        let mut child = dev.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("it is piped")?;
        let events = BufReader::new(stdout).lines();
        Ok(Self { child, events })
    }

    /// The next event in which something changed in Redis, or could not be done.
    async fn change(&mut self) -> Result<Value> {
        let next = async {
            loop {
                let line = self.events.next_line().await?.context("it has ended")?;
                let event: Value = serde_json::from_str(&line)?;
                let changed = event["changes"]
                    .as_array()
                    .is_some_and(|lines| !lines.is_empty());
                if changed || event.get("not_built").is_some() {
                    return Ok(event);
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await?
    }

    /// Interrupts it as a person does, and gives its status.
    async fn interrupt(mut self) -> Result<Option<i32>> {
        let id = self.child.id().context("it runs")?.to_string();
        Command::new("kill").args(["-INT", &id]).status().await?;
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait());
        Ok(ended.await??.code())
    }
}

/// A new project, with the dependencies that this workspace has.
async fn new_project(folder: &Path) -> Result<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (status, said) = answer(redis_sync(folder, &["new", "flags"])).await?;
    ensure!(status == Some(0), "{said}");
    let project = folder.join("flags");
    std::fs::copy(checkout.join("Cargo.lock"), project.join("Cargo.lock"))?;
    Ok(project)
}

#[tokio::test]
async fn from_an_empty_folder_to_redis() -> Result<()> {
    // The same each time, so that cargo builds the same each time.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let started = Instant::now();
    let project = new_project(&folder).await?;
    let mut own = started.elapsed();

    let source = project.join("src/lib.rs");
    edit(
        &source,
        "hash(\"flags\", fields)",
        "hash(\"feature_flags\", fields)",
    )?;
    let (status, said) = answer(redis_sync(&project, &["build"])).await?;
    ensure!(status == Some(0), "{said}");

    // Cargo has nothing to do any more.
    let started = Instant::now();
    let (status, said) = answer(redis_sync(&project, &["test"])).await?;
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("+ feature_flags (hash)") && said.contains("- flags (hash)"),
        "{said}"
    );
    let (status, said) = answer(redis_sync(&project, &["test", "--update"])).await?;
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = answer(redis_sync(&project, &["test"])).await?;
    assert_eq!(status, Some(0), "{said}");

    let redis = Redis::start().await?;
    let mut dev = Dev::start(&project, &redis)?;
    let event = dev.change().await?;
    own += started.elapsed();
    assert_eq!(event["message"], "1 object: 1 synced");
    let held = redis.command(&["HGET", "feature_flags", "dark"]).await?;
    assert_eq!(held, "true");
    within(OWN_TIME, own, "all commands");

    follows(&mut dev, &project, &redis).await?;
    assert_eq!(dev.interrupt().await?, Some(0));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what is measured is shown")]
fn within(aim: Duration, took: Duration, what: &str) {
    println!("{what}: {took:.1?} of {aim:?}");
    assert!(took < aim * SLOWER, "{what}: {took:?}");
}

/// Whatever is saved is seen in Redis.
async fn follows(dev: &mut Dev, project: &Path, redis: &Redis) -> Result<()> {
    let started = Instant::now();
    let object = project.join("bucket/flags/example.json");
    std::fs::write(&object, r#"{"dark": {"on": false}}"#)?;
    let event = dev.change().await?;
    within(SEEN, started.elapsed(), "from saving to seeing");
    let lines = [
        "~ feature_flags (hash)",
        "  - beta = false",
        "  - dark = true",
        "  + dark = false",
    ];
    assert_eq!(event["changes"], serde_json::json!(lines));
    assert_eq!(
        redis.command(&["HGETALL", "feature_flags"]).await?,
        "dark\nfalse"
    );

    let source = project.join("src/lib.rs");
    edit(
        &source,
        "hash(\"feature_flags\", fields)",
        "hash(\"f\", fieldz)",
    )?;
    let event = dev.change().await?;
    let error = event["error"].as_str().context("it does not build")?;
    assert!(error.contains("cannot find value `fieldz`"), "{error}");
    edit(&source, "hash(\"f\", fieldz)", "hash(\"f\", fields)")?;
    let event = dev.change().await?;
    assert_eq!(event["changes"][0], "+ f (hash)");
    assert_eq!(redis.command(&["EXISTS", "feature_flags"]).await?, "0");

    let started = Instant::now();
    let routes = "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n";
    std::fs::create_dir_all(project.join("bucket/plugins"))?;
    std::fs::write(project.join("bucket/plugins/routes.toml"), routes)?;
    std::fs::write(project.join("bucket/motd.txt"), "hello")?;
    let event = dev.change().await?;
    within(SEEN, started.elapsed(), "from saving to seeing");
    assert_eq!(
        event["changes"],
        serde_json::json!(["+ motd.txt (bytes)", "  + hello"])
    );

    std::fs::remove_file(object)?;
    let event = dev.change().await?;
    assert_eq!(
        event["changes"],
        serde_json::json!(["- f (hash)", "  - dark = false"])
    );
    assert_eq!(redis.command(&["EXISTS", "f"]).await?, "0");
    Ok(())
}
