//! What must come of a case: `expected.json`, an entries document, or `expected-error.txt`.

use crate::diff;
use crate::problem::{Advise, problem};
use crate::runner::Ran;
use anyhow::Result;
use redis_sync::entry::{Entry, document};
use std::path::Path;

const ENTRIES: &str = "expected.json";
const ERROR: &str = "expected-error.txt";
const FUEL: &str = "expected-fuel.txt";

/// What must come of a case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    /// Its entries, or the text of its error.
    pub(crate) result: Result<Vec<Entry>, String>,
    /// The fuel that it took when that was written.
    pub(crate) fuel: Option<u64>,
}

/// How a run differs from what is expected, a line a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Differs(pub(crate) Vec<String>);

impl Expected {
    /// What a folder says; `None` where it says nothing.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let text = |name: &str| -> Result<Option<String>> {
            let path = folder.join(name);
            if !path.exists() {
                return Ok(None);
            }
            let text = std::fs::read_to_string(&path).advise(
                || format!("{} cannot be read", path.display()),
                "`redis-sync test --update` writes it",
            )?;
            Ok(Some(text))
        };
        let result = match (text(ENTRIES)?, text(ERROR)?) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(problem(
                    format!("{} has both {ENTRIES} and {ERROR}", folder.display()),
                    "a case yields entries or fails: remove one of them, or let `redis-sync test --update` write the right one",
                ));
            }
            (Some(entries), None) => Ok(document::parse(entries.as_bytes()).advise(
                || format!("{} is no entries document", folder.join(ENTRIES).display()),
                "`redis-sync test --update` writes it",
            )?),
            (None, Some(error)) => Err(error.trim_end().to_owned()),
        };
        let fuel = text(FUEL)?.map(|fuel| {
            fuel.trim().parse().advise(
                || format!("{} is no number", folder.join(FUEL).display()),
                "`redis-sync test --update` writes it",
            )
        });
        Ok(Some(Self {
            result,
            fuel: fuel.transpose()?,
        }))
    }

    /// Whether a folder says something of a case.
    pub(crate) fn is_told(folder: &Path) -> bool {
        let files = [ENTRIES, ERROR, FUEL];
        files.iter().any(|name| folder.join(name).exists())
    }

    /// What came of a run.
    pub(crate) fn of(ran: &Ran) -> Self {
        Self {
            result: ran.result.clone(),
            fuel: ran.fuel,
        }
    }

    /// Writes it into a folder, in place of what was there.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        for name in [ENTRIES, ERROR, FUEL] {
            match std::fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match &self.result {
            Ok(entries) => {
                let document = document::render(entries);
                std::fs::write(folder.join(ENTRIES), format!("{document}\n"))?;
            }
            Err(error) => std::fs::write(folder.join(ERROR), format!("{error}\n"))?,
        }
        self.write_fuel(folder)
    }

    /// Writes the fuel alone.
    pub(crate) fn write_fuel(&self, folder: &Path) -> std::io::Result<()> {
        match self.fuel {
            Some(fuel) => std::fs::write(folder.join(FUEL), format!("{fuel}\n")),
            None => Ok(()),
        }
    }

    /// Whether a run came to that, whatever fuel it took.
    pub(crate) fn compare(&self, ran: &Ran) -> Result<(), Differs> {
        let lines = match (&self.result, &ran.result) {
            (Ok(expected), Ok(entries)) => diff::entries(expected, entries),
            (Err(expected), Err(error)) if expected == error => Vec::new(),
            (Err(expected), Err(error)) => vec![diff::minus(expected), diff::plus(error)],
            (Ok(_), Err(error)) => vec![diff::plus(&format!("it fails: {error}"))],
            (Err(expected), Ok(entries)) => {
                let mut lines = vec![diff::minus(&format!("it fails: {expected}"))];
                lines.extend(diff::entries(&[], entries));
                lines
            }
        };
        if lines.is_empty() {
            Ok(())
        } else {
            Err(Differs(lines))
        }
    }
}
