//! `redis-sync build [DIR]`.

use crate::Ended;
use crate::module::ModuleFile;
use crate::project::Project;
use crate::screen::{GREEN, Screen, bytes, styled};
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;

/// What `build` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  redis-sync build flags

What it calls: cargo, componentize-js, componentize-py or go, as the folder has a Cargo.toml, a \
package.json, a requirements.txt or a go.mod.")]
pub(crate) struct Args {
    /// The plugin's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
}

/// Builds a plugin.
pub(crate) async fn build(args: &Args, screen: &Screen) -> Result<Ended> {
    let project = Project::open(&args.dir)?;
    let path = project.build(screen).await?;
    let module = ModuleFile::read(&path)?;
    let size = u64::try_from(module.bytes.len()).unwrap_or(u64::MAX);
    let shown = args.dir.join(&module.name);
    let (mark, shown) = (styled(GREEN, "✓"), shown.display());
    screen.say(format!("{mark} {shown}: {}", bytes(size)));
    screen.document(&json!({"module": path, "bytes": size, "sha256": module.digest}));
    Ok(Ended::Well)
}
