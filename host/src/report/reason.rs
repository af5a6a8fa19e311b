//! Why an object failed, in one word.

use crate::metrics::Count;

/// Why an object failed: a closed list, for metrics and for whoever filters the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// `routes.toml`, or what its route asks for, is not valid.
    Route,
    /// Its plugin cannot be loaded.
    Module,
    /// Its plugin returned an error, or trapped.
    Plugin,
    /// Its plugin reached a limit.
    Limit,
    /// What its plugin returned cannot be stored.
    Entries,
    /// A Redis key belongs to another object.
    Conflict,
    /// It is too large.
    Size,
    /// S3 refuses to hand it out.
    Access,
    /// S3 or SQS did not answer.
    S3,
    /// Redis did not answer.
    Redis,
    /// Redis refuses.
    RedisRefused,
    /// There is no memory for it.
    Memory,
    /// It changes faster than it can be committed.
    Contended,
    /// The invocation's time was over.
    Time,
    /// The event is of another bucket.
    Bucket,
    /// A defect of Redis Sync.
    #[default]
    Host,
}

impl Reason {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Module => "module",
            Self::Plugin => "plugin",
            Self::Limit => "limit",
            Self::Entries => "entries",
            Self::Conflict => "conflict",
            Self::Size => "size",
            Self::Access => "access",
            Self::S3 => "s3",
            Self::Redis => "redis",
            Self::RedisRefused => "redis_refused",
            Self::Memory => "memory",
            Self::Contended => "contended",
            Self::Time => "time",
            Self::Bucket => "bucket",
            Self::Host => "host",
        }
    }

    /// The metric that counts objects that failed by it.
    pub fn metric(self) -> Count {
        match self {
            Self::Route => Count::FailedRoute,
            Self::Module => Count::FailedModule,
            Self::Plugin => Count::FailedPlugin,
            Self::Limit => Count::FailedLimit,
            Self::Entries => Count::FailedEntries,
            Self::Conflict => Count::FailedConflict,
            Self::Size => Count::FailedSize,
            Self::Access => Count::FailedAccess,
            Self::S3 => Count::FailedS3,
            Self::Redis => Count::FailedRedis,
            Self::RedisRefused => Count::FailedRedisRefused,
            Self::Memory => Count::FailedMemory,
            Self::Contended => Count::FailedContended,
            Self::Time => Count::FailedTime,
            Self::Bucket => Count::FailedBucket,
            Self::Host => Count::FailedHost,
        }
    }
}
