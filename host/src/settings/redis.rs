//! Where Redis is, and how to get in.

use super::reader::Reader;
use super::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Where Redis is and how to get in.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Host name or address; of a cluster, any node or the configuration endpoint.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database number; a cluster has only 0.
    pub db: u16,
    /// Whether to speak TLS.
    pub tls: bool,
    /// PEM file with the certificate authorities to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// ACL user.
    pub username: Option<String>,
    /// Password of the user, or of the server.
    pub password: Option<Secret>,
    /// The ElastiCache cache to sign tokens for, in place of a password.
    pub iam: Option<IamSettings>,
    /// Whether Redis is a cluster.
    pub cluster: bool,
    /// Goes before every data key.
    pub key_prefix: String,
    /// Whether keys that Redis Sync did not write are taken over.
    pub adopt_keys: bool,
    /// How long the record of a deleted object is kept.
    pub tombstone: Duration,
    /// Channel on which every changed key is published after its commit.
    pub changes_channel: Option<String>,
}

/// What an ElastiCache IAM token is signed for.
#[derive(Clone, Debug)]
pub struct IamSettings {
    /// Name of the replication group or serverless cache.
    pub cache_name: String,
    /// Whether the cache is a serverless one.
    pub serverless: bool,
    /// Region of the cache.
    pub region: String,
}

pub(super) fn read(reader: &mut Reader<'_>) -> RedisSettings {
    let settings = RedisSettings {
        host: reader.text("REDIS_HOST"),
        port: reader.number("REDIS_PORT", 1, u16::MAX),
        db: reader.number("REDIS_DB", 0, 65_535),
        tls: reader.flag("REDIS_TLS"),
        ca_file: reader.optional("REDIS_CA_FILE").map(PathBuf::from),
        username: reader.optional("REDIS_USERNAME"),
        password: reader.optional("REDIS_PASSWORD").map(Secret::new),
        iam: iam(reader),
        cluster: reader.flag("REDIS_CLUSTER"),
        key_prefix: reader.optional("REDIS_KEY_PREFIX").unwrap_or_default(),
        adopt_keys: reader.flag("ADOPT_KEYS"),
        tombstone: Duration::from_secs(reader.number("TOMBSTONE_SECONDS", 60, u32::MAX.into())),
        changes_channel: reader.optional("CHANGES_CHANNEL"),
    };
    if settings.cluster && settings.db != 0 {
        reader.problem("REDIS_DB", "must be 0: a cluster has no other database");
    }
    if settings.ca_file.is_some() && !settings.tls {
        reader.problem("REDIS_CA_FILE", "is of use only with REDIS_TLS=true");
    }
    if settings
        .ca_file
        .as_ref()
        .is_some_and(|file| !file.is_file())
    {
        reader.problem("REDIS_CA_FILE", "is no file");
    }
    if settings.iam.as_ref().is_some_and(|iam| iam.serverless) && !settings.cluster {
        reader.problem(
            "REDIS_CLUSTER",
            "must be true with REDIS_IAM_SERVERLESS: a serverless cache is always a cluster",
        );
    }
    if settings.iam.is_some() {
        if settings.username.is_none() {
            reader.problem(
                "REDIS_USERNAME",
                "is missing: REDIS_IAM_CACHE_NAME signs in as a user",
            );
        }
        if settings.password.is_some() {
            reader.problem(
                "REDIS_PASSWORD",
                "and REDIS_IAM_CACHE_NAME exclude each other",
            );
        }
        if !settings.tls {
            reader.problem(
                "REDIS_TLS",
                "must be true with REDIS_IAM_CACHE_NAME: ElastiCache takes tokens over TLS only",
            );
        }
    }
    settings
}

fn iam(reader: &mut Reader<'_>) -> Option<IamSettings> {
    let serverless = reader.flag("REDIS_IAM_SERVERLESS");
    let cache_name = reader.optional("REDIS_IAM_CACHE_NAME")?;
    let region = reader.optional("AWS_REGION").unwrap_or_else(|| {
        reader.problem(
            "AWS_REGION",
            "is missing: REDIS_IAM_CACHE_NAME signs for a region",
        );
        String::new()
    });
    Some(IamSettings {
        cache_name,
        serverless,
        region,
    })
}
