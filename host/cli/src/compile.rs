//! `redis-sync compile MODULE… --out DIR`.

use crate::Ended;
use crate::module::ModuleFile;
use crate::problem::Advise;
use crate::screen::{GREEN, RED, Screen, bytes, styled};
use anyhow::Result;
use clap::ValueEnum;
use redis_sync::plugin::precompile_for;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// What `compile` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  redis-sync compile plugins/*.wasm --out layer/compiled --target arm64

The folder is for functions of this release: ship it with them, as a layer or in the image, and set \
COMPILED_DIR to where it is then. A module that is not in it is compiled when it is first used.")]
pub(crate) struct Args {
    /// The modules, as they are uploaded
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<PathBuf>,
    /// The folder for the machine code
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The architecture of the function; by default this machine's
    #[arg(long, value_enum)]
    target: Option<Target>,
}

/// An architecture, as Lambda names it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// Graviton
    Arm64,
    /// Intel and AMD
    #[value(name = "x86_64")]
    X86,
}

impl Target {
    /// As Rust names it.
    fn architecture(target: Option<Self>) -> &'static str {
        match target {
            Some(Self::Arm64) => "aarch64",
            Some(Self::X86) => "x86_64",
            None => std::env::consts::ARCH,
        }
    }
}

/// Compiles modules into a folder; ends badly where one is refused.
pub(crate) fn compile(args: &Args, screen: &Screen) -> Result<Ended> {
    std::fs::create_dir_all(&args.out).advise(
        || format!("the folder {} cannot be made", args.out.display()),
        "name one that can be written to",
    )?;
    let architecture = Target::architecture(args.target);
    let (mut documents, mut good) = (Vec::new(), true);
    for path in &args.modules {
        let module = ModuleFile::read(path)?;
        let started = Instant::now();
        let name = &module.name;
        match precompile_for(&module.bytes, &args.out, architecture) {
            Ok(file) => {
                let size = std::fs::metadata(&file).map_or(0, |data| data.len());
                let (time, file) = (started.elapsed().as_millis(), file.display().to_string());
                let mark = styled(GREEN, "✓");
                screen.say(format!(
                    "{mark} {name}: {} for {architecture} in {time} ms",
                    bytes(size)
                ));
                screen.say(format!("  {file}"));
                documents.push(json!({"module": name, "file": file, "bytes": size}));
            }
            Err(why) => {
                good = false;
                screen.say(format!("{} {name}: {why}", styled(RED, "✗")));
                documents.push(json!({"module": name, "error": why.to_string()}));
            }
        }
    }
    screen.document(&Value::Array(documents));
    Ok(Ended::well_if(good))
}
