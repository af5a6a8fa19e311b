//! What `redis-sync new` writes: the files in `templates/`, with the project's name in them.

use super::sdk;
use crate::problem::{Advise, problem};
use anyhow::Result;
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// A file of a template: its place, and its text.
type File = (&'static str, &'static str);

/// A template's file, by its place in the project and in `templates/`.
macro_rules! file {
    ($place:literal, $source:literal) => {
        ($place, include_str!(concat!("../../templates/", $source)))
    };
}

/// The interface, for languages that need its text.
const INTERFACE: File = (
    "wit/transform.wit",
    include_str!("../../../../guest-sdk/wit/transform.wit"),
);

/// A golden case, which every project has.
const CASE: [File; 3] = [
    file!("cases/example/input.json", "cases/input.json.in"),
    file!("cases/example/object.toml", "cases/object.toml.in"),
    file!("cases/example/expected.json", "cases/expected.json.in"),
];

const RUST: [File; 5] = [
    file!("Cargo.toml", "rust/Cargo.toml.in"),
    file!(".cargo/config.toml", "rust/config.toml.in"),
    file!(".gitignore", "rust/gitignore.in"),
    file!("README.md", "rust/README.md.in"),
    file!("src/lib.rs", "rust/src/lib.rs.in"),
];

const JS: [File; 7] = [
    file!("package.json", "js/package.json.in"),
    file!(".gitignore", "js/gitignore.in"),
    file!("README.md", "js/README.md.in"),
    file!("transform.js", "js/transform.js.in"),
    file!("flags.js", "js/flags.js.in"),
    file!("flags.test.js", "js/flags.test.js.in"),
    INTERFACE,
];

const PYTHON: [File; 7] = [
    file!("requirements.txt", "python/requirements.txt.in"),
    file!(".gitignore", "python/gitignore.in"),
    file!("README.md", "python/README.md.in"),
    file!("transform.py", "python/transform.py.in"),
    file!("flags.py", "python/flags.py.in"),
    file!("test_flags.py", "python/test_flags.py.in"),
    INTERFACE,
];

const COMMAND: [File; 7] = [
    file!("go.mod", "command/go.mod.in"),
    file!(".gitignore", "command/gitignore.in"),
    file!("README.md", "command/README.md.in"),
    file!("main.go", "command/main.go.in"),
    file!("main_test.go", "command/main_test.go.in"),
    file!("routes.toml", "command/routes.toml.in"),
    file!("bucket/plugins/routes.toml", "command/routes.toml.in"),
];

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Rust, with the SDK
    Rust,
    /// JavaScript, with componentize-js
    Js,
    /// Python, with componentize-py
    Python,
    /// A plain WASI program, in Go
    Command,
}

impl Language {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Python, Self::Command];

    /// The file by which a project in it is known.
    pub(crate) fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "package.json",
            Self::Python => "requirements.txt",
            Self::Command => "go.mod",
        }
    }

    fn files(self) -> &'static [File] {
        match self {
            Self::Rust => &RUST,
            Self::Js => &JS,
            Self::Python => &PYTHON,
            Self::Command => &COMMAND,
        }
    }
}

/// Where a project in Rust has the SDK.
#[derive(Clone, Debug)]
pub(crate) enum Sdk {
    /// In its own folder `sdk`: the one that this program was built beside.
    Own,
    /// In a checkout.
    At(PathBuf),
}

/// Writes a new project into `folder`.
pub(crate) fn write(folder: &Path, name: &str, language: Language, sdk: &Sdk) -> Result<()> {
    check_name(name)?;
    if folder.exists() {
        return Err(problem(
            format!("{} exists already", folder.display()),
            "choose another name, or remove it",
        ));
    }
    let path = match sdk {
        Sdk::Own => Path::new("sdk"),
        Sdk::At(path) => path,
    };
    let path = format!("{:?}", path.display().to_string());
    let sample = format!("bucket/{name}/example.json");
    let [(_, input), ..] = CASE;
    let files = language.files().iter().chain(&CASE).copied();
    for (place, text) in files.chain([(&*sample, input)]) {
        let text = text.replace("{{name}}", name).replace("{{sdk}}", &path);
        put(&folder.join(place), text.as_bytes())?;
    }
    if language == Language::Rust && matches!(sdk, Sdk::Own) {
        for (place, content) in sdk::FILES {
            put(&folder.join("sdk").join(place), content)?;
        }
    }
    Ok(())
}

fn put(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, content))
        .advise(
            || format!("{} cannot be written", path.display()),
            "go to a folder that can be written to",
        )
}

/// Names that a project in Rust needs for others: of the toolchain's crates, and of what it depends on.
const TAKEN: [&str; 9] = [
    "alloc",
    "core",
    "proc_macro",
    "redis-sync-guest",
    "redis-sync-guest-macros",
    "redis_sync_guest",
    "serde",
    "std",
    "test",
];

/// A name that is a crate's, a package's and a module's.
fn check_name(name: &str) -> Result<()> {
    let letters = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_');
    let good = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(letters)
        && name.len() <= 64;
    if !good {
        return Err(problem(
            format!("`{name}` is no name for a plugin"),
            "a name begins with a lower case letter, has lower case letters, digits, `-` and `_`, and 64 of them at the most",
        ));
    }
    if TAKEN.contains(&name) {
        return Err(problem(
            format!("`{name}` is the name of a crate that Rust or the SDK has"),
            "choose another name",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_be_filled_in_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        for language in Language::ALL {
            let project = folder.path().join(language.marker());
            write(&project, "flags", language, &Sdk::Own).expect("a project");
            for (place, _) in language.files() {
                let text = std::fs::read_to_string(project.join(place)).expect("a file");
                let left = ["{{name}}", "{{sdk}}"]
                    .iter()
                    .any(|hole| text.contains(hole));
                assert!(!left, "{place}: {text}");
            }
            assert!(project.join("bucket/flags/example.json").is_file());
            assert!(write(&project, "flags", language, &Sdk::Own).is_err());
        }
    }

    #[test]
    fn the_sdk_of_a_project_inherits_from_nothing_outside_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let project = folder.path().join("flags");
        write(&project, "flags", Language::Rust, &Sdk::Own).expect("a project");
        for manifest in ["Cargo.toml", "sdk/Cargo.toml", "sdk/macros/Cargo.toml"] {
            let text = std::fs::read_to_string(project.join(manifest)).expect("a manifest");
            let table: toml::Table = text.parse().expect("TOML");
            assert!(!text.contains("workspace = true"), "{text}");
            for (name, dependency) in table["dependencies"].as_table().expect("a table") {
                let Some(path) = dependency.get("path").and_then(toml::Value::as_str) else {
                    continue;
                };
                let place = project.join(manifest).with_file_name(path);
                assert!(place.join("src/lib.rs").is_file(), "{manifest}: {name}");
            }
        }
    }

    #[test]
    fn a_name_is_one_that_every_toolchain_takes() {
        for good in ["flags", "eu-flags_2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Flags",
            "2flags",
            "../flags",
            "flags.wasm",
            "test",
            "redis-sync-guest",
            "a b",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
