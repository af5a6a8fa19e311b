//! The tools of toolchains: found, or named with the line that installs them.

use crate::problem::{Advise, problem};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

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

/// Runs a tool to its end; what it says goes to stderr, and into the error where it fails.
pub(super) async fn run(mut command: Command, what: &str) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await
        .advise(|| format!("{what} cannot be started"), "is it installed?")?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = if output.stderr.is_empty() {
        output.stdout
    } else {
        output.stderr
    };
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(problem(
        format!("{what} fails ({}):\n{said}", output.status),
        "correct what it names, and build again",
    ))
}
