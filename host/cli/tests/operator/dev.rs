//! `dev` beside its main way: how it ends, what it leaves out, and whose settings it has.

use crate::terminal::Terminal;
use crate::typed::{PROGRAM, expect, surround, typed};
use redis_sync_local::Redis;
use redis_sync_tests::guest;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// How long what is expected may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a bucket of one plugin and one object, and places for more.
fn folder(plugins: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("bucket");
    std::fs::create_dir_all(bucket.join(plugins)).unwrap();
    std::fs::write(bucket.join(plugins).join("flags.wasm"), guest::scripted()).unwrap();
    let entries = json!({"do": "yield", "entries": {"h": {"hash": {"field": "value"}}}});
    std::fs::write(bucket.join("flags"), entries.to_string()).unwrap();
    (folder, bucket)
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(owned).collect()
}

/// A folder with this script under that name.
fn script(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_it_ends_its_redis_ends_with_it() {
    for (signal, status) in [("TERM", Some(0)), ("HUP", Some(0)), ("KILL", None)] {
        let (folder, _) = folder("plugins");
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        let mut dev = Command::new("env");
        // Where the tests were started with nohup, it would be heeded.
        dev.args([
            "--default-signal=HUP",
            PROGRAM,
            "--json",
            "dev",
            "--bucket",
            "bucket",
        ]);
        dev.current_dir(folder.path());
        surround(&mut dev, &[]);
        dev.env("TMPDIR", &temporary)
            .env("PATH", std::env::var("PATH").unwrap());
        let mut dev = dev
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut events = BufReader::new(dev.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, events.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let first: Value = serde_json::from_str(&first).unwrap();
        let redis = first["redis"].as_str().unwrap();
        TcpStream::connect(redis).await.unwrap();
        let id = dev.id().unwrap().to_string();
        let kill = Command::new("kill")
            .args([&format!("-{signal}"), &id])
            .status();
        assert!(kill.await.unwrap().success());
        let ended = timeout(PATIENCE, dev.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), status, "{signal}");
        until("Redis goes on", async || {
            TcpStream::connect(redis).await.is_err()
        })
        .await;
        if status.is_some() {
            assert_eq!(temporary.read_dir().unwrap().count(), 0, "{signal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_while_it_builds_and_nothing_is_told_to_fail() {
    let (folder, _) = folder("plugins");
    let (tools, started) = (folder.path().join("tools"), folder.path().join("started"));
    std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
    std::fs::create_dir_all(tools.join("lib/rustlib/wasm32-wasip1")).unwrap();
    script(&tools, "rustc", &format!("echo {}", tools.display()));
    let slow = format!(
        "echo compiling for long >&2; touch {}; exec sleep 600",
        started.display()
    );
    script(&tools, "cargo", &slow);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut terminal = Terminal::open_in(
        folder.path(),
        "dev --bucket bucket",
        &owned(&[("PATH", &path)]),
    );
    // A person sees what the tool says as it comes.
    terminal.sees("compiling for long").await;
    until("it builds", async || started.exists()).await;
    terminal.types("\u{3}").await;
    assert_eq!(terminal.end().await, 0);
    assert!(!terminal.said.contains("fails"), "{}", terminal.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_fails_with_the_routes_is_not_told_as_good() {
    let redis = Redis::start().await.unwrap();
    let (folder, bucket) = folder("plugins");
    let words = format!("dev --bucket bucket --redis {}", redis.url());
    let mut terminal = Terminal::open_in(folder.path(), &words, &[]);
    terminal.sees("watching").await;
    std::fs::write(bucket.join("plugins/routes.toml"), "[[route]]\nfule = 1\n").unwrap();
    let cross = "\u{1b}[31m✗\u{1b}[0m";
    terminal
        .sees(&format!("{cross} plugins/routes.toml: "))
        .await;
    terminal.sees(&format!("{cross} flags: ")).await;
    assert!(
        !terminal.said.contains("flags: failed"),
        "{}",
        terminal.said
    );
}

/// `dev --once` in a folder without a project: its status, and what it says.
async fn once(folder: &Path, redis: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let mut dev = Command::new(PROGRAM);
    dev.args(["dev", "--bucket", "bucket", "--once", "--redis", redis])
        .current_dir(folder);
    surround(&mut dev, &owned(variables));
    dev.env("NO_COLOR", "1");
    let output = dev.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_leaves_out_it_tells() {
    let redis = Redis::start().await.unwrap();
    let (folder, bucket) = folder("plugins");
    std::fs::write(bucket.join(OsStr::from_bytes(b"b\xff")), "").unwrap();
    symlink("nowhere", bucket.join("c")).unwrap();
    let (status, said) = once(folder.path(), &redis.url(), &[]).await;
    assert_eq!(status, 1, "{said}");
    for line in [
        "✗ b\u{fffd}: left out: its name is not UTF-8",
        "✗ c: left out: it cannot be read: No such file",
        "1 object: 1 synced",
    ] {
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
    std::fs::remove_file(bucket.join("c")).unwrap();
    std::fs::remove_file(bucket.join(OsStr::from_bytes(b"b\xff"))).unwrap();
    let (status, said) = once(folder.path(), &redis.url(), &[]).await;
    assert_eq!(status, 0, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_with_objects_what_the_environment_says() {
    let redis = Redis::start().await.unwrap();
    let (folder, bucket) = folder("modules");
    std::fs::write(bucket.join("plain"), "1").unwrap();
    let another = redis.command(&["SET", "mine:h", "another's"]).await;
    another.unwrap();
    let mut variables = vec![
        ("UNMATCHED", "skip"),
        ("PLUGINS_PREFIX", "modules/"),
        ("REDIS_KEY_PREFIX", "mine:"),
        // Not these: bucket and Redis are this machine's.
        ("CONFIG_BUCKET_NAME", "production"),
        ("REDIS_HOST", "production"),
        ("REDIS_TLS", "true"),
        ("ADOPT_KEYS", "false"),
    ];
    let (status, said) = once(folder.path(), &redis.url(), &variables).await;
    assert_eq!(status, 1, "{said}");
    for part in ["(ADOPT_KEYS=false)", "1 failed", "1 skipped"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    variables.pop();
    let (status, said) = once(folder.path(), &redis.url(), &variables).await;
    assert!(status == 0 && said.contains("mine:h (hash)"), "{said}");
    let held = redis.command(&["KEYS", "[^r]*"]).await.unwrap();
    assert_eq!(held, "mine:h");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_is_told_before_anything_is_done() {
    let (folder, _) = folder("plugins");
    let (status, said) = once(folder.path(), "redis://127.0.0.1:1", &[]).await;
    assert_eq!(status, 3, "{said}");
    for part in ["is not available", "next: ", "without --redis"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compilers_warnings_are_shown_and_json_stays_clean() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let manifest = "[package]\nname = \"p\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
    std::fs::write(place("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir(place("src")).unwrap();
    std::fs::write(place("src/lib.rs"), "fn nobody_calls_this() {}\n").unwrap();
    let names = [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
    ];
    let set = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    let variables: Vec<_> = names.iter().filter_map(set).collect();
    let words = ["build", folder.path().to_str().unwrap()];
    for _ in 0..2 {
        expect(
            &words,
            &variables,
            0,
            &["`nobody_calls_this` is never used"],
        )
        .await;
    }
    let (status, said) = typed(&[&words[..], &["--json"]].concat(), &variables).await;
    let document: Value = serde_json::from_str(&said).unwrap();
    assert!(status == 0 && document["module"].is_string(), "{said}");
}
