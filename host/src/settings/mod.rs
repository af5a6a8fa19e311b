//! Every variable of the environment: its name, default, unit and meaning, read in one pass.
//!
//! [`VARIABLES`] is the one table; the README's is checked against it. [`Settings::read`] reports
//! every problem at once, by name, and never prints a secret.

mod artifacts;
mod limits;
mod memory;
mod reader;
mod redis;
mod secret;
mod variables;

pub use artifacts::ArtifactSettings;
pub use limits::{Ceilings, Limits};
pub use memory::{MemorySettings, most_of_commit, most_of_object};
pub use redis::{IamSettings, RedisSettings};
pub use secret::Secret;
pub use variables::{VARIABLES, Variable};

use reader::Reader;
use std::time::Duration;

/// What happens to an object that no route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// Its bytes are stored at its key.
    Store,
    /// It yields nothing.
    Skip,
}

impl Unmatched {
    /// Its name, as `UNMATCHED` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Skip => "skip",
        }
    }
}

/// Everything the environment says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bucket that holds the configuration.
    pub bucket: String,
    /// Where Redis is.
    pub redis: RedisSettings,
    /// Prefix of the plugins' keys.
    pub plugins_prefix: String,
    /// Where machine code is kept outside the process.
    pub artifacts: ArtifactSettings,
    /// What happens to objects that no route takes.
    pub unmatched: Unmatched,
    /// Limits of a plugin's run.
    pub limits: Limits,
    /// What a route may raise them to.
    pub ceilings: Ceilings,
    /// Whether `read` also hands out Redis keys that Redis Sync did not write.
    pub read_any: bool,
    /// Whether it is recorded who has put objects.
    pub record_principals: bool,
    /// The largest object that is read, in bytes.
    pub max_object_bytes: u64,
    /// How the memory of the process is shared out.
    pub memory: MemorySettings,
    /// Objects worked on at a time.
    pub concurrency: usize,
    /// The queue that triggers this function, for more work than one invocation can do.
    pub sync_queue_url: Option<String>,
    /// CloudWatch namespace of the metrics.
    pub metrics_namespace: String,
    /// Whether S3 is addressed as `endpoint/bucket` instead of `bucket.endpoint`.
    pub s3_force_path_style: bool,
}

/// Everything that is wrong with the environment, variable by variable, in one line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment is not valid: {}", .0.join("; "))]
pub struct SettingsError(pub Vec<String>);

impl Settings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`. An empty variable counts as absent.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader {
            lookup: &lookup,
            problems: Vec::new(),
        };
        let limits = Limits {
            fuel: reader.number("FUEL_LIMIT", 1, u64::MAX),
            time: Duration::from_millis(reader.number("TIME_LIMIT_MS", 1, 900_000)),
            memory_bytes: reader.number("MEMORY_LIMIT_MIB", 1, 4096) * 1024 * 1024,
            output_bytes: reader.number("MAX_OUTPUT_BYTES", 1, 512 << 20),
        };
        let max_object_bytes = reader.number("MAX_OBJECT_BYTES", 1, 1 << 30);
        let concurrency = reader.number("CONCURRENCY", 1, 256);
        let settings = Self {
            bucket: reader.text("CONFIG_BUCKET_NAME"),
            redis: redis::read(&mut reader),
            plugins_prefix: reader.text("PLUGINS_PREFIX"),
            artifacts: artifacts::read(&mut reader),
            unmatched: reader.one_of(
                "UNMATCHED",
                &[("store", Unmatched::Store), ("skip", Unmatched::Skip)],
            ),
            limits,
            ceilings: Ceilings {
                fuel: reader.optional_number("FUEL_CEILING", 1, u64::MAX),
                time: reader
                    .optional_number("TIME_CEILING_MS", 1, 900_000)
                    .map(Duration::from_millis),
                memory_mib: reader.optional_number("MEMORY_CEILING_MIB", 1, 4096),
            },
            read_any: reader.flag("READ_ANY"),
            record_principals: reader.flag("RECORD_PRINCIPALS"),
            max_object_bytes,
            memory: memory::read(&mut reader, &limits, max_object_bytes, concurrency),
            concurrency,
            sync_queue_url: reader.optional("SYNC_QUEUE_URL"),
            metrics_namespace: reader.text("METRICS_NAMESPACE"),
            s3_force_path_style: reader.flag("S3_FORCE_PATH_STYLE"),
        };
        check_bucket(&mut reader, &settings.bucket);
        check_prefixes(&mut reader, &settings);
        check_ceilings(&mut reader, &settings);
        if reader.problems.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError(reader.problems))
        }
    }

    /// Whether an object of that key is configuration, and not a plugin or a compiled module.
    pub fn is_config(&self, key: &str) -> bool {
        let own = self.own_prefixes();
        !own.iter().any(|own| key.starts_with(own))
    }

    /// Prefixes of what is in the bucket for our own use.
    pub fn own_prefixes(&self) -> [&str; 2] {
        [&self.plugins_prefix, &self.artifacts.prefix]
    }
}

/// Only a bucket by its own name is one: events name it so, and a sync needs its listing in the order of
/// the keys.
fn check_bucket(reader: &mut Reader<'_>, bucket: &str) {
    let access_point = "an access point: events name the bucket itself, so must this";
    let forms = [
        (bucket.starts_with("arn:"), access_point),
        (bucket.ends_with("-s3alias"), access_point),
        (
            bucket.ends_with("--ol-s3"),
            "an Object Lambda access point: what it returns is no object of a bucket, and has no events",
        ),
        (
            bucket.ends_with("--x-s3"),
            "a directory bucket, which has no events and is listed in no order",
        ),
    ];
    for (_, what) in forms.iter().filter(|(is_one, _)| *is_one) {
        reader.problem("CONFIG_BUCKET_NAME", &format!("is {what}"));
    }
}

/// What holds for all routes is within what each may have.
fn check_ceilings(reader: &mut Reader<'_>, settings: &Settings) {
    let Settings {
        limits, ceilings, ..
    } = settings;
    let mib = u32::try_from(limits.memory_bytes >> 20).unwrap_or(u32::MAX);
    for (name, above) in [
        (
            "FUEL_CEILING",
            ceilings.fuel.is_some_and(|most| limits.fuel > most),
        ),
        (
            "TIME_CEILING_MS",
            ceilings.time.is_some_and(|most| limits.time > most),
        ),
        (
            "MEMORY_CEILING_MIB",
            ceilings.memory_mib.is_some_and(|most| mib > most),
        ),
    ] {
        if above {
            reader.problem(name, "is less than the limit that holds without a route");
        }
    }
}

/// Prefixes keep apart what they are there to keep apart.
fn check_prefixes(reader: &mut Reader<'_>, settings: &Settings) {
    for (name, prefix) in [
        ("PLUGINS_PREFIX", &settings.plugins_prefix),
        ("COMPILED_PREFIX", &settings.artifacts.prefix),
    ] {
        if !prefix.is_empty() && !prefix.ends_with('/') {
            reader.problem(name, &format!("is `{prefix}`, which does not end with `/`"));
        }
    }
    let (plugins, compiled) = (&settings.plugins_prefix, &settings.artifacts.prefix);
    if plugins.starts_with(compiled.as_str()) || compiled.starts_with(plugins.as_str()) {
        reader.problem(
            "COMPILED_PREFIX",
            "and PLUGINS_PREFIX lie within each other",
        );
    }
    let prefix = &settings.redis.key_prefix;
    if prefix.starts_with(crate::entry::RESERVED_PREFIX) {
        reader.problem(
            "REDIS_KEY_PREFIX",
            "begins with `redis-sync:`, which is reserved for bookkeeping",
        );
    }
}

#[cfg(test)]
mod template_tests;
#[cfg(test)]
pub(crate) mod tests;
