//! The right call of each toolchain.

use super::tools::{answer, call, is_watched, on_path, run};
use super::{Language, Project};
use crate::problem::{Advise, problem};
use crate::screen::Screen;
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
    /// Builds the module, and says where it is. What the tools say goes to stderr, where the screen is
    /// for people.
    pub(crate) async fn build(&self, screen: &Screen) -> Result<PathBuf> {
        match self.language {
            Language::Rust => self.build_rust(screen).await?,
            Language::Js => self.build_js(screen).await?,
            Language::Python => self.build_python(screen).await?,
            Language::Command => self.build_go(screen).await?,
        }
        Ok(self.module())
    }

    async fn build_rust(&self, screen: &Screen) -> Result<()> {
        let cargo = on_path("cargo", NO_RUST)?;
        let mut sysroot = call(on_path("rustc", NO_RUST)?, &self.folder);
        sysroot.args(["--print", "sysroot"]);
        let sysroot = answer(sysroot, "rustc", screen).await?;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
        if !sysroot.join("lib/rustlib").join(TARGET).is_dir() {
            return Err(problem(
                format!("the Rust target {TARGET} is missing"),
                format!("rustup target add {TARGET}"),
            ));
        }
        let mut built = self.call_cargo(&cargo, screen).await?;
        if built.is_fresh && !is_same(&built.module, &self.module()) {
            // Cargo tells packages of one name and version in a target folder that they share apart by
            // nothing: what it has not built just now may be the other's. It is built again.
            let mut clean = call(&cargo, &self.folder);
            clean
                .args(["clean", "--quiet", "--package", &built.package])
                .args(["--profile", &self.profile(), "--target", TARGET]);
            run(clean, "cargo clean", screen).await?;
            built = self.call_cargo(&cargo, screen).await?;
        }
        copy(&built.module, &self.module())
    }

    async fn call_cargo(&self, cargo: &Path, screen: &Screen) -> Result<Built> {
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
        if !is_watched(screen) {
            // Warnings and errors, and not how far it is.
            build.arg("--quiet");
        }
        let messages = answer(build, "cargo build", screen).await?;
        built(&messages, &self.folder).ok_or_else(|| {
            problem(
                "cargo has built no module",
                "the [lib] in Cargo.toml needs crate-type = [\"cdylib\", \"rlib\"]",
            )
        })
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

    async fn build_js(&self, screen: &Screen) -> Result<()> {
        let tool = self.folder.join("node_modules/.bin/componentize-js");
        if !tool.is_file() {
            let mut install = call(on_path("npm", NO_NODE)?, &self.folder);
            install.args(["install", "--silent", "--no-fund", "--no-audit"]);
            run(install, "npm install", screen).await?;
        }
        let mut build = call(tool, &self.folder);
        build
            .args(["transform.js", "--wit", "wit", "--world-name", WORLD])
            .args(["--disable", "http", "--disable", "fetch-event", "--out"])
            .arg(self.module());
        run(build, "componentize-js", screen).await
    }

    async fn build_python(&self, screen: &Screen) -> Result<()> {
        let tool = self.folder.join(".venv/bin/componentize-py");
        if !tool.is_file() {
            let mut venv = call(on_path("python3", NO_PYTHON)?, &self.folder);
            venv.args(["-m", "venv", ".venv"]);
            run(venv, "python3 -m venv", screen).await?;
            let mut install = call(self.folder.join(".venv/bin/pip"), &self.folder);
            install.args(["install", "--quiet", "-r", "requirements.txt"]);
            run(install, "pip install", screen).await?;
        }
        let mut build = call(tool, &self.folder);
        build
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-d", "wit", "-w", WORLD, "componentize", "transform", "-o"])
            .arg(self.module());
        run(build, "componentize-py", screen).await
    }

    async fn build_go(&self, screen: &Screen) -> Result<()> {
        let mut build = call(on_path("go", NO_GO)?, &self.folder);
        build
            .envs([("GOOS", "wasip1"), ("GOARCH", "wasm")])
            .args(["build", "-buildvcs=false", "-ldflags=-s", "-o"])
            .arg(self.module())
            .arg(".");
        run(build, "go build", screen).await
    }
}

/// What cargo says that it has built.
#[derive(Debug, PartialEq, Eq)]
struct Built {
    /// The package, as cargo takes it.
    package: String,
    /// Where its module is.
    module: PathBuf,
    /// Whether there was nothing to build.
    is_fresh: bool,
}

/// The package in `folder` among what cargo says that it has built.
fn built(messages: &[u8], folder: &Path) -> Option<Built> {
    let manifest = folder.join("Cargo.toml");
    let of_message = |message: Value| -> Option<Built> {
        let is_ours = message["manifest_path"].as_str().map(Path::new) == Some(&*manifest);
        let files = message["filenames"].as_array().filter(|_| is_ours)?;
        let mut files = files.iter().filter_map(Value::as_str).map(PathBuf::from);
        Some(Built {
            package: message["package_id"].as_str()?.to_owned(),
            module: files.find(|file| file.extension().is_some_and(|ending| ending == "wasm"))?,
            is_fresh: message["fresh"].as_bool().unwrap_or(false),
        })
    };
    let messages = serde_json::Deserializer::from_slice(messages).into_iter::<Value>();
    messages.flatten().find_map(of_message)
}

/// Whether both files are there, with the same content.
fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::read(one), std::fs::read(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
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
        let messages = r#"{"reason":"compiler-artifact","package_id":"o","manifest_path":"/other/Cargo.toml","filenames":["/t/other.wasm"],"fresh":false}
            {"reason":"compiler-artifact","package_id":"p","manifest_path":"/p/Cargo.toml","filenames":["/t/libp.rlib","/t/p.wasm"],"fresh":true}
            {"reason":"build-finished","success":true}"#;
        let expected = Built {
            package: "p".to_owned(),
            module: PathBuf::from("/t/p.wasm"),
            is_fresh: true,
        };
        let found = built(messages.as_bytes(), Path::new("/p"));
        assert_eq!(found, Some(expected));
        assert_eq!(built(messages.as_bytes(), Path::new("/q")), None);
    }

    #[tokio::test]
    async fn packages_of_one_name_that_share_a_target_folder_keep_their_modules() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = format!("[build]\ntarget-dir = {:?}\n", folder.path().join("target"));
        let manifest = "[package]\nname = \"flags\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n[workspace]\n";
        let make = |name: &str| {
            let project = folder.path().join(name);
            let source = format!("#[unsafe(no_mangle)]\npub extern \"C\" fn it_is_{name}() {{}}\n");
            for (place, text) in [
                ("Cargo.toml", manifest),
                (".cargo/config.toml", &target),
                ("src/lib.rs", &source),
            ] {
                let place = project.join(place);
                std::fs::create_dir_all(place.with_file_name("")).expect("a folder");
                std::fs::write(place, text).expect("a file");
            }
            Project::find(&project).expect("a project")
        };
        let (one, other) = (make("one"), make("other"));
        let screen = Screen::new(true);
        for project in [&one, &other, &one, &other] {
            let module = project.build(&screen).await.expect("a module");
            let module = std::fs::read(module).expect("a file");
            let name = format!("it_is_{}", project.name);
            let has_name = module.windows(name.len()).any(|at| at == name.as_bytes());
            assert!(has_name, "the module of {} is another's", project.name);
        }
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
