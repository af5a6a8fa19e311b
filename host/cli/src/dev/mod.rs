//! `redis-sync dev --bucket DIR`: the whole system on one machine.

mod done;
mod ending;
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
use ending::Ending;
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
folder takes part as `plugins/NAME.wasm` by itself.

It keeps the terminal until Ctrl-C, and ends the Redis that it has started.

What the function does with objects, and its limits, are the variables of the environment, as the \
function has them: UNMATCHED, PLUGINS_PREFIX, COMPILED_PREFIX, REDIS_KEY_PREFIX, ADOPT_KEYS, \
CHANGES_CHANNEL, TOMBSTONE_SECONDS, CONCURRENCY, FUEL_LIMIT and the other limits; with --redis also \
REDIS_CLUSTER, and REDIS_CA_FILE where it is `rediss://`.")]
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

/// Keeps a Redis equal to a folder until it is asked to end.
pub(crate) async fn dev(args: &Args, screen: &Screen) -> Result<Ended> {
    // Before anything is started or written for a time: however this ends, that is ended and removed.
    let mut ending = Ending::listen()?;
    tokio::select! {
        // Ctrl-C ends the tools that are running, too: that is no failure of theirs to be told.
        biased;
        () = ending.asked() => {
            if args.once {
                return Err(problem("ended before it was done", "run it again"));
            }
            Ok(Ended::Well)
        }
        ended = follow(args, screen) => ended,
    }
}

async fn follow(args: &Args, screen: &Screen) -> Result<Ended> {
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
    let watch = if args.once {
        None
    } else {
        Some(Watch::start(&args.bucket, plugins.folders())?)
    };
    let mut system = System::start(args.redis.as_ref()).await?;
    tell::started(screen, &system, &args.bucket);
    let mut good = plugins.build_all(&system, screen).await;
    let left_out = folder.update(&system.s3).left_out;
    tell::left_out(screen, &left_out);
    good &= left_out.is_empty();
    good &= tell::told(screen, system.sync_all().await);
    let Some(mut watch) = watch else {
        if let Some(expected) = &expected {
            good &= expected.compare(system.entries(), screen);
        } else if let Some(file) = args.expected.as_ref().filter(|_| good) {
            // What is left after a failure, or could not be looked at, is not what is expected.
            expected::write(file, system.entries())?;
        }
        return Ok(Ended::well_if(good));
    };
    screen.remark(styled(
        BOLD,
        "watching: save a file, or press Ctrl-C to end",
    ));
    loop {
        let changed = watch.changed().await;
        let mut keys = plugins.build_changed(&changed, &system, screen).await;
        let changes = folder.update(&system.s3);
        tell::left_out(screen, &changes.left_out);
        keys.extend(changes.keys);
        deliver(&mut system, keys, screen).await;
    }
}

/// Has the pipeline work on changed keys, and tells what came of it.
async fn deliver(system: &mut System, keys: BTreeSet<String>, screen: &Screen) {
    if !keys.is_empty() {
        tell::told(screen, system.deliver(keys).await);
    }
}
