//! The right call of each toolchain.

use super::tools::{call, on_path, run};
use super::{Language, Project};
use crate::problem::{Advise, problem};
use anyhow::Result;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the plugin interface is called in its WIT.
const WORLD: &str = "transformer";

/// The target of plugins in Rust.
const TARGET: &str = "wasm32-wasip1";

const NO_RUST: &str = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";
const NO_NODE: &str = "apt-get install nodejs npm, or see https://nodejs.org";
const NO_PYTHON: &str = "apt-get install python3 python3-venv, or see https://python.org";
const NO_GO: &str = "apt-get install golang-go, or see https://go.dev/dl";

impl Project {
    /// Builds the module, and says where it is.
    pub(crate) async fn build(&self) -> Result<PathBuf> {
        match self.language {
            Language::Rust => self.build_rust().await?,
            Language::Js => self.build_js().await?,
            Language::Python => self.build_python().await?,
            Language::Command => self.build_go().await?,
        }
        Ok(self.module())
    }

    async fn build_rust(&self) -> Result<()> {
        let cargo = on_path("cargo", NO_RUST)?;
        let mut sysroot = call(on_path("rustc", NO_RUST)?, &self.folder);
        sysroot.args(["--print", "sysroot"]);
        let sysroot = run(sysroot, "rustc").await?;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
        if !sysroot.join("lib/rustlib").join(TARGET).is_dir() {
            return Err(problem(
                format!("the Rust target {TARGET} is missing"),
                format!("rustup target add {TARGET}"),
            ));
        }
        let mut build = call(cargo, &self.folder);
        build
            .args([
                "build",
                "--profile",
                &self.profile(),
                "--lib",
                "--target",
                TARGET,
            ])
            .args(["--message-format", "json-render-diagnostics"]);
        let messages = run(build, "cargo build").await?;
        let artifact = artifact(&messages, &self.folder).ok_or_else(|| {
            problem(
                "cargo has built no module",
                "the [lib] in Cargo.toml needs crate-type = [\"cdylib\", \"rlib\"]",
            )
        })?;
        copy(&artifact, &self.module())
    }

    /// The profile that its manifest names. In a workspace cargo takes none of a member's, and the
    /// workspace's own `release` may be for other things than plugins. A manifest that cannot be read is
    /// cargo's to tell.
    fn profile(&self) -> String {
        let manifest = std::fs::read_to_string(self.folder.join("Cargo.toml"));
        let manifest: toml::Table = manifest
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        let profile = manifest
            .get("package")
            .and_then(|package| package.get("metadata")?.get("redis-sync")?.get("profile"));
        let profile = profile.and_then(toml::Value::as_str);
        profile.unwrap_or("release").to_owned()
    }

    async fn build_js(&self) -> Result<()> {
        let tool = self.folder.join("node_modules/.bin/componentize-js");
        if !tool.is_file() {
            let mut install = call(on_path("npm", NO_NODE)?, &self.folder);
            install.args(["install", "--silent", "--no-fund", "--no-audit"]);
            run(install, "npm install").await?;
        }
        let mut build = call(tool, &self.folder);
        build
            .args(["transform.js", "--wit", "wit", "--world-name", WORLD])
            .args(["--disable", "http", "--disable", "fetch-event", "--out"])
            .arg(self.module());
        run(build, "componentize-js").await.map(drop)
    }

    async fn build_python(&self) -> Result<()> {
        let tool = self.folder.join(".venv/bin/componentize-py");
        if !tool.is_file() {
            let mut venv = call(on_path("python3", NO_PYTHON)?, &self.folder);
            venv.args(["-m", "venv", ".venv"]);
            run(venv, "python3 -m venv").await?;
            let mut install = call(self.folder.join(".venv/bin/pip"), &self.folder);
            install.args(["install", "--quiet", "-r", "requirements.txt"]);
            run(install, "pip install").await?;
        }
        let mut build = call(tool, &self.folder);
        build
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-d", "wit", "-w", WORLD, "componentize", "transform", "-o"])
            .arg(self.module());
        run(build, "componentize-py").await.map(drop)
    }

    async fn build_go(&self) -> Result<()> {
        let mut build = call(on_path("go", NO_GO)?, &self.folder);
        build
            .envs([("GOOS", "wasip1"), ("GOARCH", "wasm")])
            .args(["build", "-buildvcs=false", "-ldflags=-s", "-o"])
            .arg(self.module())
            .arg(".");
        run(build, "go build").await.map(drop)
    }
}

/// The module among what cargo says that it has built for the package in `folder`.
fn artifact(messages: &[u8], folder: &Path) -> Option<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    let files = |message: &Value| -> Vec<PathBuf> {
        let ours = message["manifest_path"].as_str().map(Path::new) == Some(&*manifest);
        let files = message["filenames"].as_array().filter(|_| ours);
        let files = files.into_iter().flatten().filter_map(Value::as_str);
        files.map(PathBuf::from).collect()
    };
    let messages = serde_json::Deserializer::from_slice(messages).into_iter::<Value>();
    let mut files = messages.flatten().flat_map(|message| files(&message));
    files.find(|file| file.extension().is_some_and(|ending| ending == "wasm"))
}

/// Puts a module in its place; who watches that sees the old one or the new one.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let unfinished = to.with_extension("wasm.unfinished");
    std::fs::copy(from, &unfinished)
        .and_then(|_| std::fs::rename(&unfinished, to))
        .advise(
            || format!("the module cannot be put at {}", to.display()),
            "the project's folder must be writable",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_that_cargo_builds_the_module_of_the_package_is_taken() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/other/Cargo.toml","filenames":["/t/other.wasm"]}
            {"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/libp.rlib","/t/p.wasm"]}
            {"reason":"build-finished","success":true}"#;
        let found = artifact(messages.as_bytes(), Path::new("/p"));
        assert_eq!(found, Some(PathBuf::from("/t/p.wasm")));
        assert_eq!(artifact(messages.as_bytes(), Path::new("/q")), None);
    }

    #[test]
    fn the_profile_is_the_one_that_the_manifest_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = |manifest: &str| {
            std::fs::write(folder.path().join("Cargo.toml"), manifest).expect("a file");
            let project = Project::find(folder.path()).expect("a project");
            project.profile()
        };
        let named = "[package]\nname = \"p\"\n[package.metadata.redis-sync]\nprofile = \"guest\"";
        assert_eq!(profile(named), "guest");
        for other in ["[package]\nname = \"p\"", "no manifest"] {
            assert_eq!(profile(other), "release", "{other}");
        }
    }
}
