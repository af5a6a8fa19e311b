//! The plugins whose source is watched.

use super::folder::{is_passed_over, put};
use super::system::System;
use crate::problem::Problem;
use crate::project::Project;
use crate::screen::{GREEN, RED, Screen, YELLOW, styled};
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Folders of a project that are no source.
const NO_SOURCE: [&str; 6] = [
    "target",
    "node_modules",
    "bucket",
    "cases",
    "__pycache__",
    "wit_world",
];

/// The projects.
pub(super) struct Plugins(Vec<Project>);

impl Plugins {
    /// Those in these folders, and the one in the working folder.
    pub(super) fn open(folders: &[PathBuf]) -> Result<Self> {
        let mut projects: Vec<Project> = folders
            .iter()
            .map(|folder| Project::open(folder))
            .collect::<Result<_>>()?;
        if projects.is_empty() {
            projects.extend(Project::find(Path::new(".")));
        }
        Ok(Self(projects))
    }

    /// The folders of their sources.
    pub(super) fn folders(&self) -> Vec<&Path> {
        self.0.iter().map(|project| &*project.folder).collect()
    }

    /// Builds all of them; whether they could be.
    pub(super) async fn build_all(&mut self, system: &System, screen: &Screen) -> bool {
        let mut good = true;
        for project in &self.0 {
            good &= build(project, system, screen).await.is_some();
        }
        good
    }

    /// Builds those whose sources are among the changed files, and says which keys changed by that.
    pub(super) async fn build_changed(
        &mut self,
        changed: &BTreeSet<PathBuf>,
        system: &System,
        screen: &Screen,
    ) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for project in &self.0 {
            if changed.iter().any(|path| is_source(project, path)) {
                keys.extend(build(project, system, screen).await);
            }
        }
        keys
    }
}

/// Whether a file is one that a project is built from.
fn is_source(project: &Project, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(&project.folder) else {
        return false;
    };
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    let passed_over = |part: &str| is_passed_over(part) || NO_SOURCE.contains(&part);
    let is_module = path.extension().is_some_and(|ending| ending == "wasm");
    let is_lock = path.extension().is_some_and(|ending| ending == "lock");
    !is_module && !is_lock && !parts.any(|part| passed_over(&part))
}

/// Builds a project and uploads its module; the key that changed.
async fn build(project: &Project, system: &System, screen: &Screen) -> Option<String> {
    let started = Instant::now();
    let key = format!("{}{}", system.plugins_prefix(), project.module_name());
    let built = project.build(screen).await;
    let built = built.and_then(|path| Ok(std::fs::read(path)?));
    match built {
        Ok(module) => {
            let seconds = started.elapsed().as_secs_f64();
            let mark = styled(GREEN, "✓");
            screen.say(format!(
                "{mark} {} built in {seconds:.1} s",
                project.module_name()
            ));
            screen.event(&json!({"built": key, "seconds": seconds}));
            put(&system.s3, &key, &module).then_some(key)
        }
        Err(error) => {
            screen.say(format!("{} {error:#}", styled(RED, "✗")));
            if let Some(problem) = error.downcast_ref::<Problem>() {
                screen.say(format!("{}: {}", styled(YELLOW, "next"), problem.next));
            }
            screen.event(&json!({"not_built": key, "error": format!("{error:#}")}));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_not_taken_for_its_source() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("Cargo.toml"), "").expect("a file");
        let project = Project::find(folder.path()).expect("a project");
        let is = |path: &str| is_source(&project, &project.folder.join(path));
        assert!(is("src/lib.rs") && is("Cargo.toml") && is("transform.js"));
        for other in [
            "target/x/lib.rs",
            "flags.wasm",
            "Cargo.lock",
            ".git/index",
            "bucket/a.json",
            "src/.lib.rs.swp",
        ] {
            assert!(!is(other), "{other}");
        }
        assert!(!is_source(&project, Path::new("/elsewhere/src/lib.rs")));
    }
}
