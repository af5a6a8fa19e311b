//! Redis: whether it answers, what it lets us do, and whether it is as the settings say.

use super::{Finding, bad, doubtful, good};
use crate::runner::PROGRAM;
use aws_config::SdkConfig;
use redis_sync::ledger::{Access, LedgerError, Server, Start};
use redis_sync::pipeline::Pipeline;
use redis_sync::settings::Settings;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How far the clocks may be apart: signatures of AWS hold for five minutes, IAM tokens for fifteen.
const CLOCK_APART: Duration = Duration::from_secs(60);

/// How long connecting without TLS may take, and then an answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn look(pipeline: Pipeline, aws: &SdkConfig, findings: &mut Vec<Finding>) {
    let settings = pipeline.settings().clone();
    let started = Instant::now();
    let (pipeline, started) = match ask(&pipeline).await {
        Ok(()) => (pipeline, started),
        Err(error) => {
            // Nothing else is told of a cluster that is none.
            let (alone, again) = (as_one_server(&settings, aws), Instant::now());
            match alone {
                Some(alone) if ask(&alone).await.is_ok() => (alone, again),
                _ => return findings.extend(unreachable(&error, &settings).await),
            }
        }
    };
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    findings.push(good("redis", format!("answers in {milliseconds:.1} ms")));
    findings.push(encrypted(&settings));
    let ledger = pipeline.ledger();
    match ledger.access(&settings.redis.key_prefix).await {
        Ok(access) => findings.extend(of_access(&access, &settings)),
        Err(error) if is_not_allowed(&error) => {
            let user = ledger.user().await;
            findings.extend(without_scripts(user.as_deref(), &settings));
        }
        Err(error) => findings.push(bad("acl", error.to_string())),
    }
    match ledger.server().await {
        Ok(server) => findings.extend(of_server(&server, &settings)),
        Err(error) => findings.push(doubtful(
            "server",
            format!("says nothing of itself: {error}"),
        )),
    }
}

/// Whether Redis answers. That it does not allow what was asked is an answer.
async fn ask(pipeline: &Pipeline) -> Result<(), LedgerError> {
    let first = Start::At(String::new());
    match pipeline.ledger().indexed(&first, None, 1).await {
        Err(error) if !is_not_allowed(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_not_allowed(error: &LedgerError) -> bool {
    // As the client names it, or Redis within a script.
    let is_it = |cause: &str| cause.to_ascii_uppercase().contains("NOPERM");
    matches!(error, LedgerError::Refused { cause, .. } if is_it(cause))
}

/// The same Redis, if it is no cluster although the settings say so.
fn as_one_server(settings: &Settings, aws: &SdkConfig) -> Option<Pipeline> {
    let mut alone = settings.clone();
    alone.redis.cluster = false;
    let alone = settings.redis.cluster.then_some(alone)?;
    Pipeline::with_parts(alone, aws, Path::new(PROGRAM)).ok()
}

/// Why Redis is not reached, and what may help.
async fn unreachable(error: &LedgerError, settings: &Settings) -> Vec<Finding> {
    if !matches!(error, LedgerError::Unavailable { .. }) {
        return vec![bad("redis", error.to_string())];
    }
    let place = (settings.redis.host.clone(), settings.redis.port);
    let plain = tokio::task::spawn_blocking(move || in_plain_text(&place)).await;
    let next = match (plain.ok().flatten(), settings.redis.tls) {
        (None, _) => {
            let next = "nothing can be connected to: correct REDIS_HOST and REDIS_PORT, or let this machine \
                        through (security groups), or ask with --function NAME";
            return vec![bad("redis", format!("{error}; {next}"))];
        }
        (Some(true), true) => "Redis speaks no TLS: set REDIS_TLS=false",
        (Some(false), false) => "no answer in plain text: set REDIS_TLS=true where Redis offers it",
        _ => return vec![bad("redis", error.to_string())],
    };
    vec![bad("redis", error.to_string()), bad("tls", next)]
}

/// Whether something answers there as Redis does without TLS; `None` where nothing can be connected to.
/// Nothing secret is sent.
fn in_plain_text(place: &(String, u16)) -> Option<bool> {
    let (host, port) = place;
    let mut addresses = (host.as_str(), *port).to_socket_addrs().ok()?;
    let connected = addresses.find_map(|to| TcpStream::connect_timeout(&to, PATIENCE).ok());
    let mut stream = connected?;
    let mut first = [0];
    let answer = stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.write_all(b"PING\r\n"))
        .and_then(|()| stream.read_exact(&mut first));
    // `+PONG`, or `-NOAUTH …`.
    Some(answer.is_ok() && b"+-".contains(&first[0]))
}

fn is_here(settings: &Settings) -> bool {
    ["localhost", "127.0.0.1", "::1"].contains(&&*settings.redis.host)
}

fn encrypted(settings: &Settings) -> Finding {
    match (settings.redis.tls, is_here(settings)) {
        (true, _) => good("tls", "on, and the certificate is trusted"),
        (false, true) => good("tls", "off, to this machine"),
        (false, false) => doubtful("tls", "off: set REDIS_TLS=true where Redis offers it"),
    }
}

fn named(user: Option<&str>) -> &str {
    user.unwrap_or("a user that Redis does not name")
}

/// Who we are.
fn sign_in(user: Option<&str>, settings: &Settings) -> Finding {
    let user = named(user);
    let has_secret = settings.redis.password.is_some() || settings.redis.iam.is_some();
    if has_secret || is_here(settings) {
        return good("sign-in", format!("as `{user}`"));
    }
    let why = format!(
        "as `{user}`, without a password: set REDIS_USERNAME with REDIS_PASSWORD or REDIS_IAM_CACHE_NAME"
    );
    doubtful("sign-in", why)
}

/// The same where a script is refused, by which Redis is asked about all other commands.
fn without_scripts(user: Option<&str>, settings: &Settings) -> [Finding; 2] {
    let all: Vec<&str> = Access::commands().into_iter().collect();
    let why = format!(
        "`{}` may not use EVALSHA or SCRIPT, and Redis does not say what else: allow {} on the data keys and on redis-sync:*",
        named(user),
        all.join(", ")
    );
    [sign_in(user, settings), bad("acl", why)]
}

/// Who we are, and what we may do.
fn of_access(access: &Access, settings: &Settings) -> [Finding; 2] {
    let user = named(access.user.as_deref());
    let acl = match access.refused.as_deref() {
        Some([]) => good("acl", "every command that is used is allowed"),
        Some(refused) => bad(
            "acl",
            format!(
                "`{user}` may not use {}: allow them on the data keys and on redis-sync:*",
                refused.join(", ")
            ),
        ),
        None => doubtful(
            "acl",
            "Redis says what a user may do from version 7 on: look at ACL GETUSER",
        ),
    };
    [sign_in(access.user.as_deref(), settings), acl]
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
    if server.has_other_layout {
        findings.push(doubtful(
            "left over",
            "Redis also has what was kept with REDIS_CLUSTER the other way round, which nothing reads: keys of \
             objects that have changed since may stay. Begin with an empty Redis, and a sync",
        ));
    }
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

#[cfg(test)]
mod tests {
    use super::super::State;
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
            has_other_layout: false,
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
        let plain = [encrypted(&settings(&[]))];
        assert_eq!(state(&plain, "tls"), Some(State::Doubtful));
        let tls = [encrypted(&settings(&[("REDIS_TLS", "true")]))];
        assert_eq!(state(&tls, "tls"), Some(State::Good));
    }

    #[test]
    fn commands_that_are_refused_are_named() {
        let access = |refused: Option<Vec<String>>| Access {
            user: Some("app".to_owned()),
            refused,
        };
        let found = of_access(&access(Some(vec!["RENAME".to_owned()])), &settings(&[]));
        assert_eq!(state(&found, "acl"), Some(State::Bad));
        assert!(found[1].text.contains("`app` may not use RENAME"));
        assert_eq!(state(&found, "sign-in"), Some(State::Doubtful));
        let found = of_access(
            &access(Some(Vec::new())),
            &settings(&[("REDIS_PASSWORD", "p")]),
        );
        assert_eq!(state(&found, "acl"), Some(State::Good));
        assert_eq!(state(&found, "sign-in"), Some(State::Good));
        let found = of_access(&access(None), &settings(&[]));
        assert_eq!(state(&found, "acl"), Some(State::Doubtful));
    }
}
