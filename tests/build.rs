//! Builds the guests that the tests and the demonstration upload, and says where they are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the guests.
const SOURCES: [&str; 6] = [
    "../Cargo.toml",
    "../guest-sdk",
    "../example-transforms",
    "guests",
    "../Cargo.lock",
    "../.cargo/config.toml",
];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let target = target();
    let manifests = manifests();
    build(&target, &manifests);
    println!(
        "cargo::rustc-env=GUESTS={}",
        target.join("wasm32-wasip1/guest").display()
    );
}

/// Where the guests are built: one folder for all builds of the host, with its tests or for release,
/// since the guests are the same for all.
fn target() -> PathBuf {
    let own = PathBuf::from(variable("OUT_DIR"));
    // The folder of target/debug/build/redis-sync-tests-1234/out that is named `target`, by default.
    let shared = own.ancestors().nth(4);
    shared
        .expect("cargo puts it four folders deep")
        .join("guests")
}

/// The manifests of all guests.
fn manifests() -> Vec<PathBuf> {
    let folders = ["../example-transforms", "guests"]
        .map(|folder| Path::new(&variable("CARGO_MANIFEST_DIR")).join(folder));
    let packages = folders
        .iter()
        .flat_map(|folder| folder.read_dir().into_iter().flatten().flatten());
    let mut manifests: Vec<PathBuf> = packages
        .map(|package| package.path().join("Cargo.toml"))
        .filter(|manifest| manifest.exists())
        .collect();
    manifests.sort();
    manifests
}

fn build(target: &Path, manifests: &[PathBuf]) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(variable("CARGO_MANIFEST_DIR"));
    cargo
        .args([
            "build",
            "--profile",
            "guest",
            "--target",
            "wasm32-wasip1",
            "--target-dir",
        ])
        .arg(target);
    for manifest in manifests {
        let package = manifest
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        cargo.arg("--package").arg(package);
    }
    // What the outer build was told, by cargo, clippy or a coverage tool, is not for the guests.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
    ] {
        cargo.env_remove(name);
    }
    let built = cargo.status().is_ok_and(|status| status.success());
    assert!(
        built,
        "the guests do not build; is the target there? `rustup target add wasm32-wasip1`"
    );
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
