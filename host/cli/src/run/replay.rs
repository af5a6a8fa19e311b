//! `run --replay DIR`: a case again, as it was traced.

use super::show::{document, show};
use crate::Ended;
use crate::case::{CaseFolder, Expected};
use crate::problem::problem;
use crate::runner::{Runner, variables};
use crate::screen::{GREEN, RED, Screen, styled};
use anyhow::Result;
use serde_json::json;
use std::path::Path;

/// Runs a case again, under its own limits; ends badly where it comes to anything else than it did,
/// also if that was a failure.
pub(super) async fn replay(folder: &Path, screen: &Screen) -> Result<Ended> {
    let CaseFolder {
        case,
        variables: own,
    } = CaseFolder::read(folder, None, None)?;
    let Some(expected) = Expected::read(folder)? else {
        return Err(problem(
            format!("{} does not say what came of the case", folder.display()),
            "`redis-sync run --trace DIR` writes a folder that does",
        ));
    };
    let runner = Runner::new(own.unwrap_or_else(variables))?;
    runner.load(&case).await;
    let ran = runner.run(&case).await;
    show(screen, &case, &ran);
    let mut differences = match expected.compare(&ran) {
        Ok(()) => Vec::new(),
        Err(differs) => differs.0,
    };
    if expected.fuel != ran.fuel {
        let text =
            |fuel: Option<u64>| fuel.map_or_else(|| "none".to_owned(), |fuel| fuel.to_string());
        differences.push(format!(
            "fuel was {}, is {}",
            text(expected.fuel),
            text(ran.fuel)
        ));
    }
    let same = differences.is_empty();
    screen.say(if same {
        format!(
            "{} replayed: the same end, with the same fuel",
            styled(GREEN, "✓")
        )
    } else {
        format!(
            "{} replayed, and it comes to another end:",
            styled(RED, "✗")
        )
    });
    for line in &differences {
        screen.say(line);
    }
    let mut document = document(&case, &ran);
    document["replayed_identically"] = json!(same);
    screen.document(&document);
    Ok(Ended::well_if(same))
}
