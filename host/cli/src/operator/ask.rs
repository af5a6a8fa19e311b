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
    Ok(is_yes(&answer))
}

/// Whether that is a yes, in whatever case.
fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    ["y", "yes"]
        .iter()
        .any(|yes| yes.eq_ignore_ascii_case(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_counts_in_whatever_case_and_nothing_else_does() {
        for yes in ["y", "Y", "yes", "YES\n", " Yes "] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "n", "no", "yess", "ja"] {
            assert!(!is_yes(no), "{no}");
        }
    }
}
