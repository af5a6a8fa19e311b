//! `redis-sync doctor`: a line for each part, ✓ or what to do.

use super::function::Function;
use super::{Reach, ReachArgs};
use crate::Ended;
use crate::screen::{GREEN, RED, Screen, YELLOW, bytes, styled};
use anyhow::Result;
use redis_sync::budget::Account;
use redis_sync::ledger::{Server, Start};
use redis_sync::pipeline::Pipeline;
use redis_sync::settings::Settings;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How far the clocks may be apart: signatures of AWS hold for five minutes, IAM tokens for fifteen.
const CLOCK_APART: Duration = Duration::from_secs(60);

/// What `doctor` is told.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  redis-sync doctor
  redis-sync doctor --function redis-sync

It writes nothing. With --function it can only see whether the function answers, and whether that
reaches Redis.")]
pub(crate) struct Args {
    #[command(flatten)]
    reach: ReachArgs,
}

/// What was looked at.
struct Finding {
    part: &'static str,
    state: State,
    /// What is there, or what to do.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// It works, and could go wrong.
    Doubtful,
    Bad,
}

fn good(part: &'static str, text: impl Into<String>) -> Finding {
    let (state, text) = (State::Good, text.into());
    Finding { part, state, text }
}

fn doubtful(part: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        state: State::Doubtful,
        ..good(part, text)
    }
}

fn bad(part: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        state: State::Bad,
        ..good(part, text)
    }
}

/// Looks at everything; ends badly where something does not work.
pub(crate) async fn doctor(args: &Args, screen: &Screen) -> Result<Ended> {
    let mut findings = Vec::new();
    match Reach::open(&args.reach).await? {
        Reach::Function(function) => findings.push(of_function(&function).await),
        Reach::Direct(pipeline) => {
            findings.push(good("variables", "complete"));
            bucket(&pipeline, &mut findings).await;
            redis(&pipeline, &mut findings).await;
            findings.extend(of_settings(pipeline.settings()));
        }
    }
    let mut documents = Vec::new();
    for Finding { part, state, text } in &findings {
        let (mark, name) = match state {
            State::Good => (styled(GREEN, "✓"), "good"),
            State::Doubtful => (styled(YELLOW, "!"), "doubtful"),
            State::Bad => (styled(RED, "✗"), "bad"),
        };
        screen.say(format!("{mark} {part:<10} {text}"));
        documents.push(json!({"part": part, "state": name, "text": text}));
    }
    screen.document(&Value::Array(documents));
    let is_bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(Ended::well_if(!is_bad))
}

async fn of_function(function: &Function) -> Finding {
    match function.invoke(&json!({"status": {}})).await {
        Ok(answer) => {
            let objects = answer["objects"].as_u64().unwrap_or(0);
            good(
                "function",
                format!("answers, and has {objects} objects in Redis"),
            )
        }
        Err(error) => bad("function", format!("{error:#}")),
    }
}

/// The bucket: listing it, reading it, and the plugins in it.
async fn bucket(pipeline: &Pipeline, findings: &mut Vec<Finding>) {
    let (store, settings) = (pipeline.store(), pipeline.settings());
    let first = match store.list("", None).await {
        Ok(page) => {
            findings.push(good(
                "listing",
                format!("the bucket `{}` can be listed", settings.bucket),
            ));
            page.objects.into_iter().next()
        }
        Err(error) => return findings.push(bad("listing", error.to_string())),
    };
    match first {
        None => findings.push(doubtful(
            "objects",
            "the bucket is empty: whether objects can be read is not known",
        )),
        Some(object) => {
            let account = Account::unbounded();
            let read = store.object(&object.key, settings.max_object_bytes, &account);
            findings.push(match read.await {
                Ok(_) => good("objects", "can be read"),
                Err(error) => bad("objects", error.to_string()),
            });
        }
    }
    findings.push(match pipeline.plugin_list().await {
        Err(error) => bad("plugins", error.to_string()),
        Ok(list) => {
            let modules = list.modules.len();
            match &list.manifest {
                None => good(
                    "plugins",
                    format!("{modules} modules, by convention: there is no routes.toml"),
                ),
                Some(Ok(manifest)) => {
                    let missing: Vec<&String> = manifest
                        .routes()
                        .flat_map(|(_, route)| &route.plugins)
                        .filter(|plugin| !list.modules.contains_key(*plugin))
                        .collect();
                    if missing.is_empty() {
                        good(
                            "plugins",
                            format!("{modules} modules, {} routes", manifest.routes().count()),
                        )
                    } else {
                        bad(
                            "plugins",
                            format!(
                                "routes.toml names {missing:?}, which are not there: upload them"
                            ),
                        )
                    }
                }
                Some(Err(error)) => bad("plugins", format!("routes.toml is not valid: {error}")),
            }
        }
    });
}

/// Redis: whether it answers, what it is, and whether it is as the settings say.
async fn redis(pipeline: &Pipeline, findings: &mut Vec<Finding>) {
    let ledger = pipeline.ledger();
    let started = Instant::now();
    if let Err(error) = ledger.indexed(&Start::At(String::new()), None, 1).await {
        return findings.push(bad("redis", error.to_string()));
    }
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    findings.push(good(
        "redis",
        format!("answers in {milliseconds:.1} ms, signed in"),
    ));
    match ledger.server().await {
        Ok(server) => findings.extend(of_server(&server, pipeline.settings())),
        Err(error) => findings.push(doubtful(
            "server",
            format!("says nothing of itself: {error}"),
        )),
    }
}

/// What a server says of itself, against the settings.
fn of_server(server: &Server, settings: &Settings) -> Vec<Finding> {
    let line = |name: &str| server.info.get(name).map_or("", String::as_str);
    let mut findings = Vec::new();
    let policy = line("maxmemory_policy");
    findings.push(if policy.is_empty() {
        doubtful("eviction", "the server does not say its policy: use noeviction or volatile-*")
    } else if policy.starts_with("allkeys") {
        bad("eviction", format!("{policy} evicts what is kept of the objects: set maxmemory-policy to noeviction or volatile-*"))
    } else {
        good("eviction", policy)
    });
    let is_cluster = line("cluster_enabled") == "1";
    findings.push(match (is_cluster, settings.redis.cluster) {
        (true, false) => bad("cluster", "Redis is a cluster: set REDIS_CLUSTER=true"),
        (false, true) => bad("cluster", "Redis is no cluster: set REDIS_CLUSTER=false"),
        (true, true) => good("cluster", "yes, as it is set"),
        (false, false) => good("cluster", "no, as it is set"),
    });
    findings.push(if server.clock_apart > CLOCK_APART {
        let seconds = server.clock_apart.as_secs();
        bad(
            "clock",
            format!("{seconds} s from that of Redis: set one of them, signatures depend on it"),
        )
    } else {
        good("clock", "that of Redis is the same")
    });
    findings
}

/// What can be said of the settings alone.
fn of_settings(settings: &Settings) -> Vec<Finding> {
    let redis = &settings.redis;
    let is_here = ["localhost", "127.0.0.1", "::1"].contains(&&*redis.host);
    let memory = &settings.memory;
    vec![
        match (redis.tls, is_here) {
            (true, _) => good("tls", "on"),
            (false, true) => good("tls", "off, to this machine"),
            (false, false) => doubtful("tls", "off: set REDIS_TLS=true where Redis offers it"),
        },
        match &settings.sync_queue_url {
            Some(url) => good("queue", url.clone()),
            None => doubtful(
                "queue",
                "none: a changed plugin must sync all that it affects in one invocation, or set SYNC_QUEUE_URL",
            ),
        },
        match (&settings.artifacts.folder, &settings.artifacts.key) {
            (None, None) => doubtful(
                "compiled",
                "kept nowhere: every new function compiles; set COMPILED_CACHE_KEY or COMPILED_DIR",
            ),
            (Some(folder), _) => good("compiled", format!("in {}", folder.display())),
            (None, Some(_)) => good(
                "compiled",
                format!("in the bucket, under {}", settings.artifacts.prefix),
            ),
        },
        good(
            "memory",
            format!(
                "{} for work, {} for machine code, {} for compiling; a run may take {}",
                bytes(memory.work_bytes),
                bytes(memory.code_bytes),
                bytes(memory.compile_bytes),
                bytes(u64::try_from(settings.limits.memory_bytes).unwrap_or(u64::MAX)),
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &[(&str, &str)]) -> Settings {
        let required = [
            ("CONFIG_BUCKET_NAME", "b"),
            ("REDIS_HOST", "redis.internal"),
        ];
        Settings::read(|name| {
            let mut all = required.iter().chain(more);
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .expect("settings")
    }

    fn state(findings: &[Finding], part: &str) -> Option<State> {
        findings
            .iter()
            .find(|finding| finding.part == part)
            .map(|finding| finding.state)
    }

    #[test]
    fn what_redis_says_is_held_against_the_settings() {
        let server = |policy: &str, cluster: &str, apart| Server {
            info: [("maxmemory_policy", policy), ("cluster_enabled", cluster)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            clock_apart: Duration::from_secs(apart),
        };
        let alone = settings(&[]);
        let found = of_server(&server("noeviction", "0", 1), &alone);
        assert!(found.iter().all(|finding| finding.state == State::Good));
        let found = of_server(&server("allkeys-lru", "1", 100), &alone);
        assert!(found.iter().all(|finding| finding.state == State::Bad));
        let found = of_server(
            &server("volatile-ttl", "1", 0),
            &settings(&[("REDIS_CLUSTER", "true")]),
        );
        assert_eq!(state(&found, "cluster"), Some(State::Good));
    }

    #[test]
    fn plain_text_to_another_machine_is_doubted() {
        assert_eq!(
            state(&of_settings(&settings(&[])), "tls"),
            Some(State::Doubtful)
        );
        let tls = settings(&[("REDIS_TLS", "true")]);
        assert_eq!(state(&of_settings(&tls), "tls"), Some(State::Good));
    }
}
