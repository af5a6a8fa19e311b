//! A child process that ends with the program that started it, also where that is killed.
//!
//! The kernel sees to that where the child asks for it. So the program starts itself once more, with the
//! command as its arguments; the new process asks, and becomes the command.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The first argument of a process that is to become a command.
const WORD: &str = "become-tied-to";

/// A call of `binary` by way of `program`, which is the one that runs; it takes further arguments.
pub(crate) fn command(program: &Path, binary: &Path) -> Command {
    let mut command = Command::new(program);
    let parent = std::process::id().to_string();
    command.arg(WORD).arg(parent).arg(binary);
    command
}

/// Becomes the command that the arguments of this process name, if they do; `None` if they do not. The
/// first thing that a program does whose children are tied to it.
pub fn run_child(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let (parent, binary) = (arguments.next()?, arguments.next()?);
    // Of a parent that has ended before this was asked for, nothing would be heard.
    let is_tied = set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && getppid()
            .map(Pid::as_raw_nonzero)
            .map(|id| id.to_string().into())
            == Some(parent);
    if is_tied {
        // Comes back only where it fails.
        let error = Command::new(&binary).args(arguments).exec();
        let _ = writeln!(std::io::stderr(), "{}: {error}", binary.display());
    }
    Some(ExitCode::FAILURE)
}
