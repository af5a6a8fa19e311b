//! `redis-sync new NAME`.

use crate::Ended;
use crate::problem::{Advise, problem};
use crate::project::{Language, Sdk, write};
use crate::screen::{GREEN, Screen, styled};
use anyhow::Result;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What `new` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  redis-sync new flags
  cd flags
  redis-sync test
  redis-sync dev --bucket bucket")]
pub(crate) struct Args {
    /// The plugin's name, and the folder's
    name: String,
    /// What it is to be written in
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
    /// A checkout of Redis Sync whose SDK is used, in place of a copy in the project; of Rust only
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// Makes a folder with a transform, its tests, a sample and a README.
pub(crate) fn new(args: &Args, screen: &Screen) -> Result<Ended> {
    if args.sdk.is_some() && args.lang != Language::Rust {
        return Err(problem(
            "--sdk is for Rust: the other languages need none",
            "leave it out, or `--lang rust`",
        ));
    }
    let sdk = match &args.sdk {
        Some(path) => Sdk::At(from_checkout(path)?),
        None => Sdk::Own,
    };
    let folder = Path::new(&args.name);
    write(folder, &args.name, args.lang, &sdk)?;
    let name = &args.name;
    screen.say(format!(
        "{} {name}: a plugin, its tests and a bucket to try it on",
        styled(GREEN, "✓")
    ));
    screen.say(format!(
        "\n  cd {name}\n  redis-sync test\n  redis-sync dev --bucket bucket"
    ));
    screen.document(&json!({"folder": name}));
    Ok(Ended::Well)
}

/// Where a checkout has the SDK.
fn from_checkout(path: &Path) -> Result<PathBuf> {
    let next = "--sdk is a checkout of Redis Sync, or its folder guest-sdk";
    let path = path
        .canonicalize()
        .advise(|| format!("there is no SDK at {}", path.display()), next)?;
    let places = [path.join("guest-sdk"), path.clone()];
    let is_sdk = |place: &&PathBuf| {
        let manifest = std::fs::read_to_string(place.join("Cargo.toml")).unwrap_or_default();
        manifest.contains("name = \"redis-sync-guest\"")
    };
    let sdk = places.iter().find(is_sdk).cloned();
    sdk.ok_or_else(|| problem(format!("there is no SDK at {}", path.display()), next))
}
