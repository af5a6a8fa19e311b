//! A WASI program that does what its stdin says, for the end-to-end tests.
//!
//! The first line is the verb, the rest what it works on.

use std::io::{Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut stdin = String::new();
    let read = std::io::stdin().read_to_string(&mut stdin);
    let (verb, rest) = stdin.split_once('\n').unwrap_or((&stdin, ""));
    let mut stdout = std::io::stdout();
    let mut stderr = std::io::stderr();
    let written = read.and_then(|_| match verb {
        "echo" => write!(stdout, "{rest}"),
        "upper" => write!(stdout, "echo\n{}", rest.to_uppercase()),
        "environment" => std::env::vars()
            .try_for_each(|(name, value)| writeln!(stdout, "{name}={value}"))
            .and_then(|()| write!(stdout, "{:?}", std::env::args().collect::<Vec<_>>())),
        "flood" => (0..100_000).try_for_each(|_| stdout.write_all(&[b'x'; 1000])),
        _ => writeln!(stderr, "no such verb\n{rest}"),
    });
    let done = written.and_then(|()| stdout.flush()).is_ok();
    if done && verb != "fail" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
