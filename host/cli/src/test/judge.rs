//! One case, run and judged.

use super::fuel::Growth;
use crate::case::{CaseFolder, Expected, Routing};
use crate::module::ModuleFile;
use crate::problem::{Advise, Problem};
use crate::runner::{Ran, Runner, Variables, variables};
use anyhow::Result;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::time::Duration;

/// Judges cases.
pub(super) struct Judge {
    /// The module that is tested.
    pub(super) module: Option<ModuleFile>,
    /// The manifest of the project.
    pub(super) routes: Option<Routing>,
    /// Whether what comes of a case is what is expected from now on.
    pub(super) update: bool,
    /// How much more fuel a case may take.
    pub(super) growth: Option<Growth>,
    /// What runs the cases, by the variables that it was set up with: a module is compiled once.
    pub(super) runners: BTreeMap<Variables, Runner>,
}

/// A case that was judged.
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// Fuel that it took, where it came to a run.
    pub(super) fuel: Option<u64>,
    /// Fuel that is recorded.
    pub(super) recorded_fuel: Option<u64>,
    pub(super) time: Duration,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// Something else is expected from now on.
    Updated,
    /// How it differs, a line each.
    Failed(Vec<String>),
}

impl Verdict {
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Its name in documents.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Updated => "updated",
            Self::Failed(_) => "failed",
        }
    }
}

impl Judged {
    /// A case that cannot be read, or not be run.
    fn unread(name: String, error: &anyhow::Error) -> Self {
        let next = error.downcast_ref().map(|problem: &Problem| &*problem.next);
        let lines = std::iter::once(error.to_string()).chain(next.map(str::to_owned));
        Self {
            name,
            verdict: Verdict::Failed(lines.collect()),
            fuel: None,
            recorded_fuel: None,
            time: Duration::ZERO,
        }
    }
}

impl Judge {
    /// Runs a case and compares it with what is expected. One that cannot be read fails like any other.
    pub(super) async fn judge(&mut self, name: String, folder: &Path) -> Result<Judged> {
        let ran = match self.run(folder).await {
            Ok(ran) => ran,
            Err(error) => return Ok(Judged::unread(name, &error)),
        };
        // Whatever is written there is not what is expected from now on.
        let expected = match Expected::read(folder) {
            Err(_) if self.update => None,
            Err(error) => return Ok(Judged::unread(name, &error)),
            Ok(expected) => expected,
        };
        let verdict = if self.update {
            update(folder, expected.as_ref(), &ran)?
        } else {
            self.verdict(expected.as_ref(), &ran)
        };
        Ok(Judged {
            name,
            verdict,
            fuel: ran.fuel,
            recorded_fuel: expected.and_then(|expected| expected.fuel),
            time: ran.time,
        })
    }

    async fn run(&mut self, folder: &Path) -> Result<Ran> {
        let CaseFolder {
            case,
            variables: own,
        } = CaseFolder::read(folder, self.module.as_ref(), self.routes.as_ref())?;
        let runner = match self.runners.entry(own.unwrap_or_else(variables)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(missing) => {
                let runner = Runner::new(missing.key().clone())?;
                missing.insert(runner)
            }
        };
        runner.load(&case).await;
        Ok(runner.run(&case).await)
    }

    fn verdict(&self, expected: Option<&Expected>, ran: &Ran) -> Verdict {
        let Some(expected) = expected else {
            let why = "nothing says what is expected: `redis-sync test --update` writes it";
            return Verdict::Failed(vec![why.to_owned()]);
        };
        let mut lines = match expected.compare(ran) {
            Ok(()) => Vec::new(),
            Err(differs) => differs.0,
        };
        let growth = self
            .growth
            .and_then(|growth| growth.exceeded(expected.fuel, ran.fuel));
        lines.extend(growth);
        if lines.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Failed(lines)
        }
    }
}

/// Has what came of a run be expected from now on. A document that says the same stays as its author
/// has written it.
fn update(folder: &Path, expected: Option<&Expected>, ran: &Ran) -> Result<Verdict> {
    let same = expected.is_some_and(|expected| expected.compare(ran).is_ok());
    let now = Expected::of(ran);
    if same && expected.is_some_and(|expected| expected.fuel == now.fuel) {
        return Ok(Verdict::Passed);
    }
    let written = if same {
        now.write_fuel(folder)
    } else {
        now.write(folder)
    };
    written.advise(
        || {
            format!(
                "what came of the case cannot be written to {}",
                folder.display()
            )
        },
        "the folder must be writable",
    )?;
    Ok(Verdict::Updated)
}
