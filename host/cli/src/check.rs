//! `redis-sync check MODULE…`.

use crate::Ended;
use crate::module::{Facts, ModuleFile};
use crate::runner::{Runner, variables};
use crate::screen::{GREEN, RED, Screen, bytes, styled};
use anyhow::Result;
use redis_sync::sandbox::Kind;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What `check` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  redis-sync check target/wasm32-wasip1/release/flags.wasm")]
pub(crate) struct Args {
    /// The modules, as they would be uploaded
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<PathBuf>,
}

/// A module that the host takes.
struct Taken {
    kind: &'static str,
    facts: Facts,
    /// Size of its machine code, in bytes.
    code_bytes: usize,
    compile_time: Duration,
}

/// Says what each module is; ends badly where the host would refuse one, and in an error where one cannot
/// be read, which hides nothing of the others.
pub(crate) async fn check(args: &Args, screen: &Screen) -> Result<Ended> {
    let runner = Runner::new(variables())?;
    let (mut documents, mut good, mut unread) = (Vec::new(), true, None);
    for path in &args.modules {
        let module = match ModuleFile::read(path) {
            Ok(module) => module,
            Err(error) => {
                if let Some(earlier) = unread.replace(error) {
                    screen.error(&earlier);
                }
                continue;
            }
        };
        let checked = check_one(&runner, &module).await?;
        good &= checked.is_ok();
        documents.push(document(&module, &checked));
        show(screen, &module, &checked);
    }
    if !documents.is_empty() || unread.is_none() {
        screen.document(&Value::Array(documents));
    }
    match unread {
        Some(error) => Err(error),
        None => Ok(Ended::well_if(good)),
    }
}

/// Whether the host takes a module; says what it is, or why not.
pub(crate) async fn is_taken(
    runner: &Runner,
    module: &ModuleFile,
    screen: &Screen,
) -> Result<bool> {
    let checked = check_one(runner, module).await?;
    show(screen, module, &checked);
    if checked.is_err() {
        screen.document(&document(module, &checked));
    }
    Ok(checked.is_ok())
}

/// What the host makes of a module, or the words in which it refuses it.
async fn check_one(runner: &Runner, module: &ModuleFile) -> Result<Result<Taken, String>> {
    let started = Instant::now();
    let bytes = module.bytes.clone();
    let loaded = runner
        .trial()
        .load(&module.name, &module.digest, bytes)
        .await;
    let compile_time = started.elapsed();
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(Ok(Taken {
        kind: match loaded.plugin.kind() {
            Kind::Transform => "transform",
            Kind::Command => "command",
        },
        facts: Facts::of(&module.bytes)?,
        code_bytes: loaded.plugin.size(),
        compile_time,
    }))
}

fn document(module: &ModuleFile, checked: &Result<Taken, String>) -> Value {
    let (name, sha256, size) = (&module.name, &module.digest, module.bytes.len());
    match checked {
        Ok(taken) => json!({
            "module": name, "sha256": sha256, "bytes": size, "accepted": true,
            "kind": taken.kind,
            "form": taken.facts.form,
            "interface": taken.facts.interface,
            "imports": taken.facts.imports,
            "memory_bytes": taken.facts.memory_bytes,
            "code_bytes": taken.code_bytes,
            "compile_ms": taken.compile_time.as_secs_f64() * 1000.0,
        }),
        Err(why) => json!({
            "module": name, "sha256": sha256, "bytes": size, "accepted": false, "error": why,
        }),
    }
}

fn show(screen: &Screen, module: &ModuleFile, checked: &Result<Taken, String>) {
    let name = &module.name;
    let Taken {
        kind,
        facts,
        code_bytes,
        compile_time,
    } = match checked {
        Ok(taken) => taken,
        Err(why) => {
            screen.say(format!("{} {name}: {why}", styled(RED, "✗")));
            return;
        }
    };
    let size = |number: usize| bytes(u64::try_from(number).unwrap_or(u64::MAX));
    let interface = match &facts.interface {
        Some(interface) => interface.as_str(),
        None if *kind == "command" => "stdin and stdout",
        None => "redis-sync:transform",
    };
    screen.say(format!("{} {name}: a {kind}", styled(GREEN, "✓")));
    screen.say(format!(
        "  form       {}, {}",
        facts.form,
        size(module.bytes.len())
    ));
    screen.say(format!("  interface  {interface}"));
    screen.say(format!(
        "  memory     {} to begin with",
        bytes(facts.memory_bytes)
    ));
    screen.say(format!(
        "  compiling  {} ms, {} of machine code",
        compile_time.as_millis(),
        size(*code_bytes)
    ));
    screen.say(format!("  sha256     {}", module.digest));
    for (place, (import, functions)) in facts.imports.iter().enumerate() {
        let label = if place == 0 { "imports" } else { "" };
        let number = match facts.form {
            "module" => format!(" ({functions})"),
            _ => String::new(),
        };
        screen.say(format!("  {label:<9}  {import}{number}"));
    }
}
