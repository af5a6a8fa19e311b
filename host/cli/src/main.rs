//! The command line of Redis Sync.
//!
//! For authors of transforms it is the host on a laptop: what `check`, `run` and `test` say is what the
//! function would say, since it is the same code, down to the compiling child, which is this program
//! again. A file a subcommand; [`args`] lists them.

mod args;
mod bucket;
mod build;
mod case;
mod check;
mod compile;
mod completions;
mod dev;
mod diff;
mod guest_log;
mod module;
mod new;
mod operator;
mod problem;
mod project;
mod queue;
mod run;
mod runner;
mod screen;
mod test;

use args::{Cli, Command};
use clap::Parser;
use operator::{
    capture, doctor, explain, forget, preview, publish, read, redrive, rollback, status, sync,
};
use problem::problem;
use screen::Screen;
use std::process::ExitCode;
use std::time::Duration;

/// Native stack of a thread, in bytes, as the function's threads have it: a guest may use a quarter.
const THREAD_STACK: usize = 4 << 20;

/// How long what is left of a command may take.
const LEFT: Duration = Duration::from_millis(200);

/// How a command ended that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything is as it should be.
    Well,
    /// Something that was looked at is not: a transform or a test failed, a module is refused.
    Badly,
}

impl Ended {
    /// `Well` where nothing is wrong.
    pub(crate) fn well_if(good: bool) -> Self {
        if good { Self::Well } else { Self::Badly }
    }
}

fn main() -> ExitCode {
    if let Some(status) = redis_sync::plugin::run_child(std::env::args()) {
        return status;
    }
    if let Some(status) = redis_sync_local::tied::run_child(std::env::args_os()) {
        return status;
    }
    let cli = Cli::parse();
    let screen = Screen::new(cli.json);
    guest_log::listen();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK)
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(carry_out(cli.command, &screen));
            // A transform that still runs where `dev` was interrupted is not waited for.
            runtime.shutdown_timeout(LEFT);
            ended
        }
        Err(error) => Err(error.into()),
    };
    let status = match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::from(1),
        Err(error) => {
            screen.error(&error);
            ExitCode::from(3)
        }
    };
    let Some(error) = screen::unprinted() else {
        return status;
    };
    let what = format!("what it says cannot be written to stdout: {error}");
    screen.error(&problem(what, "make room where it goes to, and ask again"));
    ExitCode::from(3)
}

async fn carry_out(command: Command, screen: &Screen) -> anyhow::Result<Ended> {
    match command {
        Command::New(args) => new::new(&args, screen),
        Command::Build(args) => build::build(&args, screen).await,
        Command::Test(args) => test::test(&args, screen).await,
        Command::Dev(args) => dev::dev(&args, screen).await,
        Command::Check(args) => check::check(&args, screen).await,
        Command::Run(args) => run::run(&args, screen).await,
        Command::Compile(args) => compile::compile(&args, screen),
        Command::Sync(args) => sync::sync(&args, screen).await,
        Command::Status(args) => status::status(&args, screen).await,
        Command::Explain(args) => explain::explain(&args, screen).await,
        Command::Read(args) => read::read(&args, screen).await,
        Command::Forget(args) => forget::forget(&args, screen).await,
        Command::Preview(args) => preview::preview(&args, screen).await,
        Command::Publish(args) => publish::publish(&args, screen).await,
        Command::Rollback(args) => rollback::rollback(&args, screen).await,
        Command::Redrive(args) => redrive::redrive(&args, screen).await,
        Command::Case(args) => capture::capture(&args, screen).await,
        Command::Doctor(args) => doctor::doctor(&args, screen).await,
        Command::Completions(args) => Ok(completions::write(&args)),
    }
}
