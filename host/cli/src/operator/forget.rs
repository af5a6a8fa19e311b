//! `redis-sync forget BUCKET`.

use super::{Reach, ReachArgs};
use crate::Ended;
use crate::problem::problem;
use crate::screen::Screen;
use anyhow::Result;
use redis_sync::text::counted;
use serde_json::json;

/// What `forget` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync forget config-old --dry-run
  redis-sync forget config-old --yes

The keys stay in Redis, and belong to nobody: an object of this bucket that yields one takes it over.")]
pub(crate) struct Args {
    /// The other bucket's name
    bucket: String,
    /// Say what there is, and release nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Releases what another bucket owns.
pub(crate) async fn forget(args: &Args, screen: &Screen) -> Result<Ended> {
    if !args.dry_run && !args.yes {
        return Err(problem(
            "what is forgotten is not found again",
            "`--dry-run` says what there is, `--yes` does it",
        ));
    }
    let reach = Reach::open(&args.reach).await?;
    let request = json!({"forget": {"bucket": args.bucket, "dry_run": args.dry_run}});
    let answer = reach.ask(&request).await?;
    screen.document(&answer);
    let verb = if args.dry_run { "owns" } else { "owned" };
    let number = |member: &str| answer[member].as_u64().unwrap_or(0);
    screen.say(format!(
        "`{}` {verb} {}, of {}",
        args.bucket,
        counted(number("keys"), "Redis key"),
        counted(number("objects"), "object")
    ));
    Ok(Ended::Well)
}
