//! What becomes of a module when its child says no, dies, or cannot be started.

use super::*;
use crate::plugin::tests::{OTHER, compiler, module, sandbox};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const LIMITS: CompileLimits = CompileLimits {
    memory_bytes: 512 << 20,
    processor: Duration::from_secs(60),
};

/// A child that is a shell script.
fn scripted(lines: &str) -> (TempDir, Compiler) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("child");
    std::fs::write(&script, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).unwrap();
    (folder, Compiler::new(script, LIMITS))
}

async fn refusal(compiler: &Compiler) -> PluginError {
    let compiled = compiler
        .compile(&sandbox(), module(OTHER).bytes, &Account::unbounded())
        .await;
    compiled.err().unwrap()
}

#[tokio::test]
async fn a_child_is_told_its_limits_and_nothing_of_the_environment() {
    let (_folder, compiler) = scripted("echo \"$@\" >&2; env >&2; exit 3");
    let said = refusal(&compiler).await.to_string();
    assert!(said.starts_with("compile-module 536870912 60\n"), "{said}");
    let variables = said.lines().skip(1);
    let own = ["PWD=/", "SHLVL=", "_=", "OLDPWD="];
    let told: Vec<&str> = variables
        .filter(|variable| !own.iter().any(|own| variable.starts_with(own)))
        .collect();
    assert_eq!(told, Vec::<&str>::new());
}

#[tokio::test]
async fn however_a_child_ends_the_module_is_refused_with_the_reason() {
    for (lines, reason) in [
        (
            "kill -SEGV $$",
            "it ends the compiler (signal: 11 (SIGSEGV))",
        ),
        ("exit 7", "it ends the compiler (exit status: 7)"),
        (
            "kill -XCPU $$",
            "compiling it took more than 60 s of processor time",
        ),
        ("kill -XFSZ $$", "its machine code has more than 256 MiB"),
        (
            "echo memory allocation of 9 bytes failed >&2; kill -ABRT $$",
            "compiling it took more than 512 MiB",
        ),
        (
            "echo thread has overflowed its stack >&2; kill -ABRT $$",
            "compiling it exhausts the compiler's stack: it nests too deep",
        ),
        ("echo it is not right >&2; exit 3", "it is not right"),
        ("exit 0", "the engine does not take it"),
    ] {
        let (_folder, compiler) = scripted(lines);
        let refused = refusal(&compiler).await;
        assert!(refused.to_string().contains(reason), "{lines}: {refused}");
        assert!(!refused.is_temporary(), "{lines}");
    }
}

/// The module is not to blame for it, or not surely.
#[tokio::test]
async fn a_child_that_the_system_kills_says_nothing_of_the_module_and_a_later_attempt_may_do_better()
 {
    let (_folder, compiler) = scripted("kill -KILL $$");
    let interrupted = refusal(&compiler).await;
    assert!(interrupted.is_temporary(), "{interrupted}");
    let said = "compiling it was interrupted: the system killed the compiler";
    assert!(interrupted.to_string().starts_with(said), "{interrupted}");
}

/// A function that is frozen in the meantime takes hours for a second's work.
#[tokio::test]
async fn a_child_that_takes_long_and_no_processor_time_says_nothing_of_the_module_either() {
    let (_folder, mut compiler) = scripted("exec sleep 1000");
    compiler.patience = Duration::from_millis(1);
    let interrupted = refusal(&compiler).await;
    assert!(interrupted.is_temporary(), "{interrupted}");
    let said = "compiling it was interrupted: it was not done after 0 s";
    assert!(interrupted.to_string().starts_with(said), "{interrupted}");
}

#[tokio::test]
async fn where_no_child_can_be_started_nothing_is_compiled_and_a_later_attempt_may_do_better() {
    let refused = refusal(&Compiler::new("/nowhere/bootstrap", LIMITS)).await;
    assert!(refused.is_temporary());
    let said = "no process could be started to compile it: No such file";
    assert!(refused.to_string().starts_with(said), "{refused}");
}

#[tokio::test]
async fn a_child_that_says_much_is_cut_short() {
    let (_folder, compiler) = scripted("yes long >&2; exit 3");
    let refused = refusal(&compiler).await.to_string();
    assert!(refused.len() <= 1000, "{}", refused.len());
}

#[tokio::test]
async fn machine_code_on_its_way_has_no_name() {
    let artifact = Artifact::create().unwrap();
    assert!(artifact.path().exists());
    let named = std::fs::read_link(artifact.path()).unwrap();
    assert!(!named.exists(), "{}", named.display());
    let compiled = compiler()
        .compile(&sandbox(), module(OTHER).bytes, &Account::unbounded())
        .await;
    assert!(compiled.is_ok());
}
