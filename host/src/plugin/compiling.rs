//! The compiling child: this program again, limited before it reads a stranger's module.
//!
//! Reading a module, turning it into a component and compiling it take memory and time that no bound on
//! its size foresees, and may exhaust the stack. So all of it happens in a process of its own, which
//! gets the module on stdin and puts the machine code on stdout; a module that is refused is told on
//! stderr, with the status [`REFUSED`]. The parent runs it as [`compiler`](super::compiler) does.

use super::{PluginError, component};
use crate::sandbox::compile;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The argument that makes this program a compiling child.
pub(super) const COMMAND: &str = "compile-module";

/// The status of a child that refuses the module.
pub(super) const REFUSED: u8 = 3;

/// The largest artifact, in bytes: a few times the machine code of the largest modules.
pub(super) const MAX_ARTIFACT_BYTES: u64 = 256 << 20;

/// Files that a child may have open: its three streams, and a few that are read in passing.
const MAX_FILES: u64 = 32;

/// Threads that compile one module.
const MAX_THREADS: usize = 4;

/// Native stack of such a thread, in bytes.
const STACK: usize = 8 << 20;

/// What a child may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Time of the processor.
    pub processor: Duration,
}

/// Compiles the module on stdin if the arguments ask for that; `None` if they do not. The first thing
/// that `main` is to do.
pub fn run_child(mut arguments: impl Iterator<Item = String>) -> Option<ExitCode> {
    if arguments.nth(1)? != COMMAND {
        return None;
    }
    let numbers: Vec<u64> = arguments.filter_map(|text| text.parse().ok()).collect();
    let [memory_bytes, seconds] = numbers[..] else {
        return Some(refuse("the compiling child needs its limits"));
    };
    Some(match compile_stdin(memory_bytes, seconds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => refuse(&why),
    })
}

fn refuse(why: &str) -> ExitCode {
    // Whoever has closed stderr does not want to know.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(REFUSED)
}

fn compile_stdin(memory_bytes: u64, seconds: u64) -> Result<(), String> {
    limit(memory_bytes, seconds).map_err(|error| format!("it cannot be limited: {error}"))?;
    let mut module = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut module);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    let code = on_own_threads(|| machine_code(&module)).map_err(|error| error.to_string())?;
    io::stdout()
        .lock()
        .write_all(&code)
        .map_err(|error| format!("its machine code cannot be written: {error}"))
}

/// Machine code of a module, for this machine.
fn machine_code(module: &[u8]) -> Result<Vec<u8>, PluginError> {
    let prepared = component::prepare(module)?;
    Ok(compile(&prepared)?)
}

/// With threads of its own, whose stack is known.
fn on_own_threads<T: Send>(
    work: impl FnOnce() -> Result<T, PluginError> + Send,
) -> Result<T, PluginError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(MAX_THREADS))
        .stack_size(STACK)
        .build()
        .map_err(|error| PluginError::invalid(error.to_string()))?
        .install(work)
}

/// Limits this process. Where the system is short of memory, it is to end this one first.
fn limit(memory_bytes: u64, seconds: u64) -> io::Result<()> {
    let at_most = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(Resource::Core, at_most(0))?;
    // What is reserved and not used does not count, as address space would.
    setrlimit(Resource::Data, at_most(memory_bytes))?;
    let processor = Rlimit {
        current: Some(seconds),
        maximum: Some(seconds.saturating_add(2)),
    };
    setrlimit(Resource::Cpu, processor)?;
    setrlimit(Resource::Fsize, at_most(MAX_ARTIFACT_BYTES))?;
    setrlimit(Resource::Nofile, at_most(MAX_FILES))?;
    // Of use only where the kernel offers it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_command_makes_a_child_of_the_program() {
        let arguments = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            run_child(words.into_iter()).is_some()
        };
        assert!(!arguments(&["bootstrap"]));
        assert!(!arguments(&["bootstrap", "--help"]));
        assert!(arguments(&["bootstrap", COMMAND]));
        assert!(arguments(&["bootstrap", COMMAND, "many", "1"]));
    }
}
