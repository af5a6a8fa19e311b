//! `redis-sync dev --bucket DIR`: the whole system on one machine.

mod done;
mod expected;
mod folder;
mod held;
mod plugins;
mod redis_url;
mod system;
mod tell;
mod watch;

pub(crate) use done::Listener;

use crate::Ended;
use crate::problem::problem;
use crate::screen::{BOLD, Screen, styled};
use anyhow::Result;
use expected::Expected;
use folder::Folder;
use plugins::Plugins;
use redis_url::RedisUrl;
use std::collections::BTreeSet;
use std::path::PathBuf;
use system::System;
use watch::Watch;

/// What `dev` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync dev --bucket bucket
  redis-sync dev --bucket bucket --plugin ../flags --plugin ../limits
  redis-sync dev --bucket bucket --once
  redis-sync dev --bucket bucket --once --expected redis.json

The files of the folder are the objects of a bucket; `plugins/` in it has modules and routes.toml as \
the real one. Hidden files and those that end with `~` are no objects. The plugin in the working \
folder takes part as `plugins/NAME.wasm` by itself.")]
pub(crate) struct Args {
    /// The folder that is the bucket
    #[arg(long, value_name = "DIR")]
    bucket: PathBuf,
    /// The folder of a plugin's source, which is built, and built again when it is saved
    #[arg(long = "plugin", value_name = "DIR")]
    plugins: Vec<PathBuf>,
    /// A Redis to write to, such as `redis://user:password@host:6379/0`; by default one is started
    #[arg(long, value_name = "URL")]
    redis: Option<RedisUrl>,
    /// Bring Redis up to date with the folder, and exit
    #[arg(long)]
    once: bool,
    /// An entries document, with which what Redis then holds is compared; times to live are not
    #[arg(long, value_name = "FILE", requires = "once")]
    expected: Option<PathBuf>,
    /// Write that document, in place of comparing
    #[arg(long, requires = "expected")]
    update: bool,
}

/// Keeps a Redis equal to a folder until it is interrupted.
pub(crate) async fn dev(args: &Args, screen: &Screen) -> Result<Ended> {
    if !args.bucket.is_dir() {
        return Err(problem(
            format!("{} is not a folder", args.bucket.display()),
            "make it, and put objects into it: `mkdir -p bucket/flags`",
        ));
    }
    let mut folder = Folder::new(&args.bucket)?;
    let mut plugins = Plugins::open(&args.plugins)?;
    let expected = match &args.expected {
        Some(file) if !args.update => Some(Expected::read(file)?),
        _ => None,
    };
    // Before anything is read, so that no change in between is missed.
    let mut watch = Watch::start(&args.bucket, plugins.folders())?;
    let mut system = System::start(args.redis.as_ref()).await?;
    tell::started(screen, &system, &args.bucket);
    let mut good = plugins.build_all(&system, screen).await;
    folder.update(&system)?;
    good &= tell::told(screen, system.sync_all().await);
    if args.once {
        if let Some(expected) = &expected {
            good &= expected.compare(system.entries(), screen);
        } else if let Some(file) = args.expected.as_ref().filter(|_| good) {
            // What is left after a failure, or could not be looked at, is not what is expected.
            expected::write(file, system.entries())?;
        }
        return Ok(Ended::well_if(good));
    }
    screen.remark(styled(
        BOLD,
        "watching: save a file, or press Ctrl-C to end",
    ));
    loop {
        let changed = tokio::select! {
            changed = watch.changed() => changed,
            _ = tokio::signal::ctrl_c() => return Ok(Ended::Well),
        };
        let mut keys = plugins.build_changed(&changed, &system, screen).await;
        keys.extend(folder.update(&system)?);
        deliver(&mut system, keys, screen).await;
    }
}

/// Has the pipeline work on changed keys, and tells what came of it.
async fn deliver(system: &mut System, keys: BTreeSet<String>, screen: &Screen) {
    if !keys.is_empty() {
        tell::told(screen, system.deliver(keys).await);
    }
}
