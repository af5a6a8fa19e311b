//! `redis-sync preview MODULE --route PREFIX`: what a module would change before it is a plugin.

mod html;
mod show;
mod tally;

pub(crate) use show::{show, show_objects};
pub(crate) use tally::{Counts, Object, Tally};

use super::reach::{OPERATION, what_next};
use super::{Reach, ReachArgs};
use crate::Ended;
use crate::bucket::Bucket;
use crate::module::ModuleFile;
use crate::problem::{Advise, problem};
use crate::screen::Screen;
use anyhow::Result;
use redis_sync::event::PreviewRequest;
use redis_sync::handler;
use redis_sync::text::counted;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;
use tally::Answer;

/// What finds out what is wrong with the module, or with a part of the system.
const PARTS: &str =
    "`redis-sync check` says what the module is, `redis-sync doctor` looks at each part";

/// What to do where a route has no plugin of that name, or none at all.
pub(crate) const OTHER_ROUTE: &str =
    "name another --route, or the --plugin; a new route is to be in routes.toml first";

/// What `preview` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync preview flags.wasm --route flags/
  redis-sync preview flags.wasm --route flags/ --html preview.html
  redis-sync preview flags.wasm --route flags/ --sample 100 --function redis-sync

It writes nothing into Redis. With --function the module is uploaded to `.candidates/` under the plugins' \
prefix, where it is never a plugin, and removed again. Exit status 1 where an object would fail that does \
not fail now, or where no object is there to be tried.")]
pub(crate) struct Args {
    /// The module
    module: PathBuf,
    /// The prefix of the route whose plugin it is to be
    #[arg(long, value_name = "PREFIX")]
    route: String,
    /// The plugin that it is to be, where the route has several
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Only so many objects, chosen by chance: always the same ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Write the same into a page that can be attached to a pull request
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show the values, and not only their sizes
    #[arg(long)]
    show_values: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Says what a module would change; ends badly where an object would fail that does not fail now, or
/// none is there.
pub(crate) async fn preview(args: &Args, screen: &Screen) -> Result<Ended> {
    let module = ModuleFile::read(&args.module)?;
    let reach = Reach::open(&args.reach).await?;
    let request = PreviewRequest {
        prefix: args.route.clone(),
        plugin: args.plugin.clone(),
        sample: args.sample.and_then(|number| usize::try_from(number).ok()),
        show_values: args.show_values,
        ..PreviewRequest::default()
    };
    let tally = run(&reach, &module, request, screen).await?;
    screen.document(&tally.document());
    show(screen, &tally, &args.route);
    if let Some(file) = &args.html {
        let page = html::page(&tally, &args.route);
        std::fs::write(file, page).advise(
            || format!("{} cannot be written", file.display()),
            "name a file that can be written",
        )?;
        screen.remark(format!("written to {}", file.display()));
    }
    Ok(Ended::well_if(tally.is_good() && tally.objects > 0))
}

/// Tries a module on all objects that are asked for.
pub(crate) async fn run(
    reach: &Reach,
    module: &ModuleFile,
    request: PreviewRequest,
    screen: &Screen,
) -> Result<Tally> {
    match reach {
        Reach::Direct(pipeline) => {
            pages(request, screen, async |request| {
                let deadline = Instant::now() + OPERATION;
                let bytes = module.bytes.clone();
                let answer = Box::pin(handler::preview(pipeline, &request, bytes, deadline));
                answer.await.map_err(|error| {
                    let next = match error.name() {
                        "InvalidPayload" => OTHER_ROUTE,
                        kind => what_next(kind, PARTS),
                    };
                    problem(error.to_string(), next)
                })
            })
            .await
        }
        Reach::Function(function) => {
            let bucket = Bucket::open().await?;
            let key = bucket.plugin_key(&format!(".candidates/{}.wasm", module.digest));
            bucket.put(&key, module.bytes.clone()).await?;
            let request = PreviewRequest {
                module: key.clone(),
                ..request
            };
            let ask = async |request| function.invoke(&json!({ "preview": request })).await;
            let tried = tokio::select! {
                tried = pages(request, screen, ask) => tried,
                _ = tokio::signal::ctrl_c() => Err(problem("interrupted", "nothing was changed")),
            };
            let removed = bucket.delete(&key).await;
            let tally = tried?;
            removed.map(|()| tally)
        }
    }
}

/// Asks until the end is reached.
async fn pages(
    mut request: PreviewRequest,
    screen: &Screen,
    mut ask: impl AsyncFnMut(PreviewRequest) -> Result<Value>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let answer = ask(request.clone()).await?;
        let answer: Answer = serde_json::from_value(answer).advise(
            || "the function does not answer as this version of it would".to_owned(),
            "deploy the version of this program",
        )?;
        let next = answer.next.clone();
        tally.add(answer);
        match next {
            Some(next) if next > request.after => request.after = next,
            _ => return Ok(tally),
        }
        screen.remark(format!("{} tried", counted(tally.objects, "object")));
    }
}
