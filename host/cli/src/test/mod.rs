//! `redis-sync test [DIR]`: golden cases.

mod find;
mod fuel;
mod judge;
mod junit;

use crate::Ended;
use crate::case::{Routing, no_module};
use crate::module::ModuleFile;
use crate::problem::problem;
use crate::project::Project;
use crate::screen::{GREEN, RED, Screen, YELLOW, plain, styled};
use anyhow::Result;
use fuel::Growth;
use judge::{Judge, Judged, Verdict};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `test` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync test
  redis-sync test flags --update
  redis-sync test --max-fuel-growth 10% --junit report.xml

A case is a folder, below `cases` if that is there, with a file `input.*`: the object's body. Beside \
it may lie:
  object.toml                          key, metadata, settings and whatever else the object has
  expected.json, expected-error.txt    what must come of it: an entries document, or an error
  expected-fuel.txt                    the fuel that it took when that was written
  routes.toml, limits.toml, plugins/   as `run --trace` writes them")]
pub(crate) struct Args {
    /// The plugin's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The module to test; by default the plugin in the folder is built
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The manifest that has the route; by default `routes.toml` in the folder
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,
    /// Write what comes of the cases, and the fuel that they take
    #[arg(long)]
    update: bool,
    /// Fail where a case takes so much more fuel than is recorded
    #[arg(long, value_name = "PERCENT")]
    max_fuel_growth: Option<Growth>,
    /// Write a report in the form of `JUnit`, for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs the cases; ends badly where one comes to something else.
pub(crate) async fn test(args: &Args, screen: &Screen) -> Result<Ended> {
    let cases = find::cases(&args.dir)?;
    let module = module(args, screen).await?;
    let routes = args.routes.clone().or_else(|| {
        let own = args.dir.join("routes.toml");
        own.exists().then_some(own)
    });
    let routes = routes.map(|file| Routing::read(&file, None)).transpose()?;
    // What every case lacks is told once.
    let has_own = |folder: &PathBuf| {
        ["plugins", "routes.toml"].map(|own| folder.join(own).exists()) != [false; 2]
    };
    if let (None, None, Some((_, folder))) = (
        &module,
        &routes,
        cases.iter().find(|(_, folder)| !has_own(folder)),
    ) {
        return Err(no_module(folder));
    }
    let mut judge = Judge {
        module,
        routes,
        update: args.update,
        growth: args.max_fuel_growth,
        runners: BTreeMap::new(),
    };
    let mut judged = Vec::new();
    for (name, folder) in cases {
        let one = judge.judge(name, &folder).await?;
        show(screen, &one);
        judged.push(one);
    }
    let failed = judged.iter().filter(|one| one.verdict.is_failure()).count();
    let all = judged.len();
    screen.say(format!(
        "\n{all} {}: {} passed, {failed} failed",
        if all == 1 { "case" } else { "cases" },
        all - failed
    ));
    screen.document(&json!({
        "passed": all - failed,
        "failed": failed,
        "cases": judged.iter().map(document).collect::<Vec<_>>(),
    }));
    if let Some(file) = &args.junit {
        junit::write(file, &judged)?;
    }
    Ok(Ended::well_if(failed == 0))
}

/// The module that is tested: the one that is named, or that of the project in the folder.
async fn module(args: &Args, screen: &Screen) -> Result<Option<ModuleFile>> {
    if let Some(file) = &args.module {
        return ModuleFile::read(file).map(Some);
    }
    match Project::find(&args.dir) {
        Some(project) => ModuleFile::read(&project.build(screen).await?).map(Some),
        // A case may have modules of its own.
        None => Ok(None),
    }
}

fn show(screen: &Screen, one: &Judged) {
    let Judged { name, verdict, .. } = one;
    match verdict {
        Verdict::Passed => screen.say(format!("{} {name}", styled(GREEN, "✓"))),
        Verdict::Updated => screen.say(format!("{} {name}: updated", styled(YELLOW, "✎"))),
        Verdict::Failed(lines) => {
            screen.say(format!("{} {name}", styled(RED, "✗")));
            for line in lines {
                screen.say(format!("  {line}"));
            }
        }
    }
}

fn document(one: &Judged) -> serde_json::Value {
    let lines = match &one.verdict {
        Verdict::Failed(lines) => plain(lines),
        Verdict::Passed | Verdict::Updated => Vec::new(),
    };
    json!({
        "case": one.name,
        "outcome": one.verdict.name(),
        "differences": lines,
        "fuel": one.fuel,
        "recorded_fuel": one.recorded_fuel,
        "time_ms": one.time.as_secs_f64() * 1000.0,
    })
}

/// There is nothing to test.
fn no_cases(folder: &Path) -> anyhow::Error {
    problem(
        format!("{} has no cases", folder.display()),
        "make a folder `cases/NAME` with the object's body as `input.json`, then `redis-sync test --update`",
    )
}
