//! `redis-sync completions SHELL`.

use crate::Ended;
use crate::args::Cli;
use crate::screen;
use clap::CommandFactory;
use clap_complete::Shell;

/// What `completions` is told.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  redis-sync completions bash > ~/.local/share/bash-completion/completions/redis-sync"
)]
pub(crate) struct Args {
    /// The shell to write them for
    shell: Shell,
}

/// Writes them on stdout.
pub(crate) fn write(args: &Args) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "redis-sync", &mut script);
    screen::print(String::from_utf8_lossy(&script));
    Ended::Well
}
