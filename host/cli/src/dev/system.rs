//! S3, Redis and the pipeline of the function, on this machine.

use super::done::{self, Done};
use super::held::{Change, Held};
use super::redis_url::RedisUrl;
use crate::guest_log::{self, Line};
use crate::problem::{Advise, problem};
use crate::runner::PROGRAM;
use anyhow::Result;
use redis_sync::entry::Entry;
use redis_sync::event::Chain;
use redis_sync::full_sync::{self, By, Compare, Mode, Span};
use redis_sync::handler;
use redis_sync::ledger::Start;
use redis_sync::pipeline::{Pipeline, Rerun};
use redis_sync::report::ObjectReport;
use redis_sync::settings::Settings;
use redis_sync_local::{BUCKET, Redis, RedisOptions, S3, sdk_config};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time that an invocation has.
const INVOCATION: Duration = Duration::from_secs(300);

/// Everything that runs.
pub(super) struct System {
    pipeline: Pipeline,
    /// The bucket.
    pub(super) s3: S3,
    /// The Redis that was started for this.
    _redis: Option<Redis>,
    /// Host and port of Redis.
    pub(super) address: String,
    /// What Redis held when it was last looked at.
    held: Held,
}

/// What came of changed objects.
pub(super) struct Told {
    /// What became of each object, as far as they are few.
    pub(super) done: BTreeMap<String, Done>,
    /// What failed.
    pub(super) failed: Vec<ObjectReport>,
    /// One sentence on all of them, where each is not told.
    pub(super) summary: Option<(bool, String)>,
    /// What plugins said.
    pub(super) log: Vec<Line>,
    /// What changed in Redis.
    pub(super) changes: Result<Change, String>,
    /// What it took, without looking.
    pub(super) time: Duration,
}

impl System {
    /// Starts S3, the pipeline, and Redis where none is given.
    pub(super) async fn start(url: Option<&RedisUrl>) -> Result<Self> {
        let s3 = S3::start(BUCKET).await?;
        let options = RedisOptions {
            tied_by: Some(PathBuf::from(PROGRAM)),
            ..RedisOptions::default()
        };
        let redis = match url {
            Some(_) => None,
            None => Some(Redis::start_with(options).await.map_err(|error| {
                problem(
                    format!("{error:#}"),
                    "or name a Redis that runs with --redis URL",
                )
            })?),
        };
        let mut variables = vec![
            ("CONFIG_BUCKET_NAME", BUCKET.to_owned()),
            ("S3_FORCE_PATH_STYLE", "true".to_owned()),
        ];
        let mut address = String::new();
        if let Some(url) = url {
            variables.extend(url.variables().iter().cloned());
            url.address().clone_into(&mut address);
        }
        if let Some(redis) = &redis {
            let port = redis.port().to_string();
            address = format!("127.0.0.1:{port}");
            variables.push(("REDIS_HOST", "127.0.0.1".to_owned()));
            variables.push(("REDIS_PORT", port));
        }
        let settings = Settings::read(|name| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known
                .map(|(_, value)| value.clone())
                .or_else(|| of_environment(name, url))
        });
        let settings = settings.advise(
            || "the settings cannot be read".to_owned(),
            "the variables of the function are meant: correct or unset them",
        )?;
        let pipeline =
            Pipeline::with_parts(settings, &sdk_config(s3.endpoint()), Path::new(PROGRAM))?;
        if url.is_some() {
            let first = Start::At(String::new());
            let asked = pipeline.ledger().indexed(&first, None, 1).await;
            asked.advise(
                || "the Redis that --redis names cannot be used".to_owned(),
                "start it, or correct the URL; without --redis one is started here",
            )?;
        }
        Ok(Self {
            pipeline,
            s3,
            _redis: redis,
            address,
            held: Held::default(),
        })
    }

    /// Where the plugins are in the bucket.
    pub(super) fn plugins_prefix(&self) -> &str {
        &self.pipeline.settings().plugins_prefix
    }

    /// Brings Redis up to date with the whole bucket.
    pub(super) async fn sync_all(&mut self) -> Told {
        begin();
        let started = Instant::now();
        let mode = Mode::Write(Rerun::IfChanged, By::Itself);
        let span = Span::under("");
        let summary = full_sync::run(
            &self.pipeline,
            &span,
            mode,
            Compare::Keys,
            &Chain::default(),
            started + INVOCATION,
        )
        .await;
        let said = Some((summary.is_success(), summary.to_string()));
        self.told(summary.failures, said, started.elapsed()).await
    }

    /// Does what the function does with a notification of these keys.
    pub(super) async fn deliver(&mut self, keys: BTreeSet<String>) -> Told {
        begin();
        let started = Instant::now();
        let deadline = started + INVOCATION;
        let keys = keys.iter().map(String::as_str).collect();
        let mut reports = handler::sync_changed(&self.pipeline, keys, deadline).await;
        reports.retain(|report| report.failure().is_some());
        self.told(reports, None, started.elapsed()).await
    }

    /// What Redis holds of the bucket's objects, as it was last looked at.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.held.entries()
    }

    async fn told(
        &mut self,
        failed: Vec<ObjectReport>,
        summary: Option<(bool, String)>,
        time: Duration,
    ) -> Told {
        let changes = self.held.look(self.pipeline.ledger()).await;
        Told {
            done: done::take(),
            failed,
            summary,
            log: guest_log::take(),
            changes: changes.map_err(|error| error.to_string()),
            time,
        }
    }
}

/// What is said from now on belongs to what is done now.
fn begin() {
    guest_log::take();
    done::take();
}

/// What of the environment holds here as it does in the function: what it does with objects, and its
/// limits. Bucket and Redis are this machine's, or `--redis`; what is compiled is kept in memory.
fn of_environment(name: &str, url: Option<&RedisUrl>) -> Option<String> {
    let is_ours = match name {
        "UNMATCHED" | "PLUGINS_PREFIX" | "COMPILED_PREFIX" | "REDIS_KEY_PREFIX" | "ADOPT_KEYS"
        | "CHANGES_CHANNEL" | "TOMBSTONE_SECONDS" | "CONCURRENCY" => true,
        "REDIS_CLUSTER" => url.is_some(),
        "REDIS_CA_FILE" => url.is_some_and(RedisUrl::is_tls),
        _ => false,
    };
    if is_ours {
        return std::env::var(name).ok();
    }
    // As `run` has them.
    crate::runner::variables().remove(name)
}
