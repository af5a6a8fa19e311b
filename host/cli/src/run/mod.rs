//! `redis-sync run MODULE --input FILE`.

mod repeat;
mod replay;
mod show;

use crate::Ended;
use crate::case::{Case, CaseFolder, Description, Expected, Routing, bare, object};
use crate::module::ModuleFile;
use crate::problem::{Advise, problem};
use crate::runner::{Runner, variables};
use crate::screen::Screen;
use anyhow::Result;
use bytes::Bytes;
use clap::ValueHint;
use clap::builder::NonEmptyStringValueParser;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What `run` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync run flags.wasm --input flags/a.json
  redis-sync run flags.wasm --input - --key flags/a.json --setting region=eu < a.json
  redis-sync run flags.wasm --input a.json --routes plugins/routes.toml --route flags/
  redis-sync run --replay trace/

The limits are the function's: its defaults, and FUEL_LIMIT, TIME_LIMIT_MS and the others of its \
variables where they are set.")]
pub(crate) struct Args {
    /// The module, as it would be uploaded
    #[arg(required_unless_present = "replay")]
    module: Option<PathBuf>,
    /// The body of the object; `-` is stdin
    #[arg(long, value_name = "FILE", required_unless_present = "replay", value_hint = ValueHint::FilePath)]
    input: Option<PathBuf>,
    /// The object's key; by default the name of the input's file
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// A setting that the plugin reads, besides those of the route
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The manifest that has the route
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,
    /// The prefix of the route to take; by default the one that takes the key
    #[arg(long, value_name = "PREFIX", requires = "routes")]
    route: Option<String>,
    /// What a command's stdout is: `value` or `entries`
    #[arg(long, conflicts_with = "routes")]
    output: Option<String>,
    /// Run it so many times, and say how long that took
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeat: u32,
    /// Write the whole case into a new folder: object, route, limits, module, and what came of it
    #[arg(long, value_name = "DIR", conflicts_with = "repeat")]
    trace: Option<PathBuf>,
    /// Run such a case again; ends badly where it comes to anything else
    #[arg(long, value_name = "DIR", conflicts_with_all = ["module", "input", "key", "settings", "routes", "output", "trace", "repeat"])]
    replay: Option<PathBuf>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("a setting is NAME=VALUE, such as region=eu")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs a module on one object; ends badly where the transform fails.
pub(crate) async fn run(args: &Args, screen: &Screen) -> Result<Ended> {
    if let Some(folder) = &args.replay {
        return replay::replay(folder, screen).await;
    }
    let case = case(args)?;
    let runner = Runner::new(variables())?;
    runner.load(&case).await;
    if args.repeat > 1 {
        return repeat::repeat(&runner, &case, args.repeat, screen).await;
    }
    let ran = runner.run(&case).await;
    show::show(screen, &case, &ran);
    screen.document(&show::document(&case, &ran));
    if let Some(folder) = &args.trace {
        CaseFolder::write(folder, &case, &runner.variables(), &Expected::of(&ran))?;
        screen.remark(format!(
            "\nwritten to {0}: `redis-sync run --replay {0}` runs it again",
            folder.display()
        ));
    }
    Ok(Ended::well_if(ran.result.is_ok()))
}

/// The case that the arguments describe.
fn case(args: &Args) -> Result<Case> {
    let (Some(module), Some(input)) = (&args.module, &args.input) else {
        return Err(problem(
            "there is nothing to run",
            "name a module and its --input",
        ));
    };
    let module = ModuleFile::read(module)?;
    let said = Description::of_key(args.key.clone());
    let name = input
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let object = object(body(input)?, &name.unwrap_or_default(), &said);
    let (mut route, modules) = match &args.routes {
        Some(file) => {
            let routing = Routing::read(file, args.route.as_deref())?;
            let route = routing.route(&object.key)?;
            let modules = routing.modules(&route, Some(&module), None)?;
            (route, modules)
        }
        None => (bare(&module.name, args.output.as_deref())?, vec![module]),
    };
    route.settings.extend(args.settings.iter().cloned());
    Ok(Case {
        object,
        route,
        modules,
    })
}

fn body(input: &Path) -> Result<Bytes> {
    let what = || format!("the input {} cannot be read", input.display());
    let next = "name the file with the object's body, or `-` for stdin";
    if input == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).advise(what, next)?;
        return Ok(body.into());
    }
    Ok(std::fs::read(input).advise(what, next)?.into())
}
