//! The SDK as a folder by itself, which `redis-sync new` writes into a new project: so that a project builds
//! wherever its author is, with the SDK that this program was built beside.

#![expect(
    clippy::unwrap_used,
    reason = "a build script ends where it cannot go on"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The workspace that has the SDK.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn main() {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let workspace = table(&root.join("Cargo.toml"))["workspace"].clone();
    let mut list = String::from("[");
    // The macros are a crate of their own, in the folder of the SDK there as here.
    for place in ["", "macros/"] {
        let package = root.join("guest-sdk").join(place);
        let manifest = table(&package.join("Cargo.toml"));
        let parts = manifest["package"]["include"].as_array().unwrap().clone();
        let manifest = by_itself(manifest, &workspace);
        writeln!(
            list,
            "({:?}, {manifest:?}.as_bytes()),",
            format!("{place}Cargo.toml")
        )
        .unwrap();
        for part in parts {
            let part = part.as_str().unwrap().trim_start_matches('/');
            for file in files(&package.join(part)) {
                let to = format!("{place}{}", file.strip_prefix(&package).unwrap().display());
                writeln!(
                    list,
                    "({to:?}, include_bytes!({:?})),",
                    file.display().to_string()
                )
                .unwrap();
            }
        }
    }
    list.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    std::fs::write(out.join("sdk.rs"), list).unwrap();
    println!(
        "cargo::rerun-if-changed={}",
        root.join("Cargo.toml").display()
    );
    println!(
        "cargo::rerun-if-changed={}",
        root.join("guest-sdk").display()
    );
}

/// All files of a folder; a file itself; none where there is nothing.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = path.read_dir().into_iter().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| files(entry)).collect()
}

fn table(manifest: &Path) -> Table {
    std::fs::read_to_string(manifest).unwrap().parse().unwrap()
}

/// A manifest that inherits nothing, and has what is needed to build the package.
fn by_itself(mut manifest: Table, workspace: &Value) -> String {
    manifest.remove("lints");
    manifest.remove("dev-dependencies");
    let package = manifest["package"].as_table_mut().unwrap();
    // It is in the folder, and no list of it need be kept.
    package.remove("include");
    for (field, value) in package.iter_mut() {
        if let Some(all) = workspace["package"].get(field) {
            inherit(value, all);
        }
    }
    for (name, value) in manifest["dependencies"].as_table_mut().unwrap() {
        if let Some(all) = workspace["dependencies"].get(name) {
            inherit(value, all);
        }
        if let Some(path) = value.get_mut("path") {
            *path = path
                .as_str()
                .unwrap()
                .trim_start_matches("guest-sdk/")
                .into();
        }
    }
    toml::to_string(&manifest).unwrap()
}

/// Takes the workspace's value where the manifest says so.
fn inherit(value: &mut Value, workspace: &Value) {
    if value.get("workspace").and_then(Value::as_bool) == Some(true) {
        *value = workspace.clone();
    }
}
