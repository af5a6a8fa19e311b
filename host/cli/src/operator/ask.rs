//! Asking a person.

use crate::problem::{Advise, problem};
use crate::screen::Screen;
use anyhow::Result;
use std::io::{IsTerminal as _, Write as _};

/// Whether a person agrees. `otherwise` is what to do where nobody is there.
pub(super) fn is_agreed(screen: &Screen, otherwise: &str) -> Result<bool> {
    if screen.json || !std::io::stdin().is_terminal() {
        return Err(problem("nobody is there to be asked", otherwise));
    }
    let next = "answer y or n";
    let what = || "the answer cannot be read".to_owned();
    write!(anstream::stderr(), "Go on? [y/N] ").advise(what, next)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).advise(what, next)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
