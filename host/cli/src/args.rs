//! What can be asked for.

use crate::operator::{
    capture, doctor, explain, forget, preview, publish, read, redrive, rollback, status, sync,
};
use crate::{build, check, compile, completions, dev, new, run, test};
use clap::{Parser, Subcommand};

/// Keeps Redis equal to an S3 bucket of configuration, seen through sandboxed WebAssembly transforms.
#[derive(Debug, Parser)]
#[command(
    name = "redis-sync",
    version,
    propagate_version = true,
    after_help = EXIT_STATUSES
)]
pub(crate) struct Cli {
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a command may end.
const EXIT_STATUSES: &str = "\
Exit status:
  0  everything is as it should be
  1  something that was looked at is not: a transform or a test failed, a module is refused
  2  the arguments are not understood
  3  it could not be done: a file, a tool or a server is missing

Colours are for terminals; NO_COLOR=1 turns them off.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a folder for a new plugin, ready to be built and tested
    New(new::Args),
    /// Build a plugin with the toolchain of its language
    Build(build::Args),
    /// Run a plugin on golden cases, and compare
    Test(test::Args),
    /// Keep a Redis equal to a folder while you work: save a file, see what changes
    Dev(dev::Args),
    /// Say what modules are, and refuse what the host would refuse
    Check(check::Args),
    /// Run a module on one object, under the limits of production
    Run(run::Args),
    /// Compile modules before a deployment, for functions that map them
    Compile(compile::Args),
    /// Bring Redis up to date with the bucket: a plan first, then the work
    Sync(sync::Args),
    /// Count the objects in Redis, and list those that failed
    Status(status::Args),
    /// Say who wrote a Redis key
    Explain(explain::Args),
    /// Say what a Redis key holds
    Read(read::Args),
    /// Release what another bucket owns in this Redis: one that was renamed, or is gone
    Forget(forget::Args),
    /// Say what a module would change in Redis before it is a plugin
    Preview(preview::Args),
    /// Make a module a plugin: check, preview, write, and bring up to date what it affects
    Publish(publish::Args),
    /// Bring back an earlier version of a plugin, the same way
    Rollback(rollback::Args),
    /// Bring events that failed back to work
    Redrive(redrive::Args),
    /// Fetch an object that failed into a folder that runs it again
    Case(capture::Args),
    /// Look at each part that the function needs, and say what to do
    Doctor(doctor::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}
