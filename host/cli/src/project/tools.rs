//! The tools of toolchains: found, or named with the line that installs them.

use crate::problem::{Advise, problem};
use crate::screen::Screen;
use anyhow::Result;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The signal of Ctrl-C, which a terminal sends to this program and to the tools that it calls.
const INTERRUPT: i32 = 2;

/// How long it may take to come to this program after it has ended a tool.
const INTERRUPTED: Duration = Duration::from_millis(500);

/// What would lead a toolchain away from what the project says.
const MISLEADING: [&str; 8] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_MANIFEST_DIR",
    "GOFLAGS",
    "PYTHONPATH",
];

/// A call of a tool in a project's folder.
pub(super) fn call(tool: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(tool.as_ref());
    command.current_dir(folder).kill_on_drop(true);
    for name in MISLEADING {
        command.env_remove(name);
    }
    command
}

/// A tool on the path.
pub(super) fn on_path(name: &str, install: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|tool| tool.is_file())
        .ok_or_else(|| problem(format!("`{name}` is missing"), install))
}

/// Runs a tool to its end, and gives what it says on stdout.
pub(super) async fn answer(command: Command, what: &str, screen: &Screen) -> Result<Vec<u8>> {
    carry_out(command, Stdio::piped(), what, screen).await
}

/// Runs a tool to its end; all that it says is for people.
pub(super) async fn run(command: Command, what: &str, screen: &Screen) -> Result<()> {
    let stdout = match std::io::stderr().as_fd().try_clone_to_owned() {
        Ok(stderr) if is_watched(screen) => Stdio::from(stderr),
        _ => Stdio::piped(),
    };
    carry_out(command, stdout, what, screen).await.map(drop)
}

/// Whether a person looks on, to whom a tool tells itself how far it is.
pub(super) fn is_watched(screen: &Screen) -> bool {
    !screen.json && std::io::stderr().is_terminal()
}

/// What a tool says on stderr is seen as it comes where a person looks. Otherwise it is kept: for the
/// error where it fails, and for a remark where it does not, since it may have warned.
async fn carry_out(
    mut command: Command,
    stdout: Stdio,
    what: &str,
    screen: &Screen,
) -> Result<Vec<u8>> {
    let stderr = if is_watched(screen) {
        Stdio::inherit()
    } else {
        Stdio::piped()
    };
    // Not `output`, which takes both, whatever was said.
    let child = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .advise(|| format!("{what} cannot be started"), "is it installed?")?;
    let output = child
        .wait_with_output()
        .await
        .advise(|| format!("{what} cannot be waited for"), "build again")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() {
        if !said.is_empty() {
            screen.remark(said);
        }
        return Ok(output.stdout);
    }
    if output.status.signal() == Some(INTERRUPT) {
        // Whoever pressed Ctrl-C meant this program, too, which is about to hear of it.
        tokio::time::sleep(INTERRUPTED).await;
    }
    let said = match (said.is_empty(), is_watched(screen)) {
        (false, _) => format!(":\n{said}"),
        (true, true) => String::new(),
        (true, false) => format!(":\n{}", String::from_utf8_lossy(&output.stdout).trim()),
    };
    Err(problem(
        format!("{what} fails ({}){said}", output.status),
        "correct what it names, and build again",
    ))
}
