//! The table of variables.

/// One variable of the environment.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is not set; `None` where it is required or simply absent.
    pub default: Option<&'static str>,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

const fn variable(
    name: &'static str,
    default: Option<&'static str>,
    meaning: &'static str,
) -> Variable {
    Variable {
        name,
        default,
        meaning,
    }
}

/// Every variable, in the README's order.
pub const VARIABLES: &[Variable] = &[
    variable(
        "CONFIG_BUCKET_NAME",
        None,
        "Required. The bucket that holds the configuration and the plugins.",
    ),
    variable(
        "AWS_REGION",
        None,
        "Region of the bucket; the Lambda runtime sets it.",
    ),
    variable(
        "REDIS_HOST",
        None,
        "Required. Host name or address of Redis; of a cluster, any node or its configuration endpoint.",
    ),
    variable("REDIS_PORT", Some("6379"), "TCP port of Redis."),
    variable("REDIS_DB", Some("0"), "Database number."),
    variable("REDIS_TLS", Some("false"), "Whether to speak TLS."),
    variable(
        "REDIS_CA_FILE",
        None,
        "PEM file with the certificate authorities to trust instead of the public ones.",
    ),
    variable("REDIS_USERNAME", None, "ACL user."),
    variable("REDIS_PASSWORD", None, "Password. Never printed."),
    variable(
        "REDIS_IAM_CACHE_NAME",
        None,
        "Turns on ElastiCache IAM authentication of `REDIS_USERNAME` for the cache of that name.",
    ),
    variable(
        "REDIS_IAM_SERVERLESS",
        Some("false"),
        "Whether that cache is a serverless one, which is always a cluster.",
    ),
    variable(
        "REDIS_CLUSTER",
        Some("false"),
        "Whether Redis is a cluster.",
    ),
    variable("REDIS_KEY_PREFIX", None, "Goes before every data key."),
    variable(
        "ADOPT_KEYS",
        Some("true"),
        "Whether keys that Redis Sync did not write are taken over; `false` makes them a conflict.",
    ),
    variable(
        "PLUGINS_PREFIX",
        Some("plugins/"),
        "Prefix of the plugins and of `routes.toml` in the bucket.",
    ),
    variable(
        "COMPILED_PREFIX",
        Some("compiled/"),
        "Prefix of compiled modules in the bucket; never config objects.",
    ),
    variable(
        "COMPILED_CACHE_KEY",
        None,
        "Turns on the compiled modules in the bucket: the secret that seals them, 32 bytes or more. Never printed.",
    ),
    variable(
        "COMPILED_DIR",
        None,
        "Folder of modules that were compiled before the deployment; trusted, never written to.",
    ),
    variable(
        "UNMATCHED",
        Some("store"),
        "What happens to an object that no route takes: `store` its bytes at its key, or `skip` it.",
    ),
    variable(
        "FUEL_LIMIT",
        Some("5000000000"),
        "Fuel of one run of a plugin, about one unit an instruction.",
    ),
    variable(
        "TIME_LIMIT_MS",
        Some("10000"),
        "Wall clock of one run, in milliseconds.",
    ),
    variable(
        "MEMORY_LIMIT_MIB",
        Some("256"),
        "Linear memories and tables of one run together, in MiB.",
    ),
    variable(
        "MEMORY_BUDGET_MIB",
        None,
        "Memory of the whole process, in MiB, which all work shares; unset, seven eighths of the function's, the control group's or the machine's.",
    ),
    variable(
        "FUEL_CEILING",
        None,
        "The most fuel that a route may give its plugins; unset, any.",
    ),
    variable(
        "TIME_CEILING_MS",
        None,
        "The most wall clock that a route may give its plugins, in milliseconds; unset, any.",
    ),
    variable(
        "MEMORY_CEILING_MIB",
        None,
        "The most memory that a route may give its plugins, in MiB; unset, any.",
    ),
    variable(
        "MAX_OBJECT_BYTES",
        Some("33554432"),
        "The largest object that is read, in bytes.",
    ),
    variable(
        "MAX_OUTPUT_BYTES",
        Some("33554432"),
        "Keys and values that one object may yield, in bytes.",
    ),
    variable("CONCURRENCY", Some("8"), "Objects worked on at a time."),
    variable(
        "TOMBSTONE_SECONDS",
        Some("1209600"),
        "How long the record of a deleted object is kept, in seconds: longer than any redelivery.",
    ),
    variable(
        "READ_ANY",
        Some("false"),
        "Whether `read` also hands out Redis keys that Redis Sync did not write. Never those of the bookkeeping.",
    ),
    variable(
        "RECORD_PRINCIPALS",
        Some("true"),
        "Whether it is recorded who has put an object or a plugin, as S3's event says: `explain` names the principal and the address.",
    ),
    variable(
        "CHANGES_CHANNEL",
        None,
        "Redis channel on which every changed key is published after its commit.",
    ),
    variable(
        "SYNC_QUEUE_URL",
        None,
        "The SQS queue that triggers this function: where a changed plugin affects objects, their keys go there instead of being synced at once.",
    ),
    variable(
        "METRICS_NAMESPACE",
        Some("RedisSync"),
        "CloudWatch namespace of the metrics, which are written to the log in the embedded metric format.",
    ),
    variable(
        "S3_FORCE_PATH_STYLE",
        Some("false"),
        "Address S3 as `endpoint/bucket`, for S3 servers other than AWS's.",
    ),
    variable(
        "AWS_ENDPOINT_URL",
        None,
        "Endpoint of S3 and SQS, as every AWS SDK reads it; `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL_SQS` go before it.",
    ),
    variable(
        "AWS_LAMBDA_LOG_LEVEL",
        Some("INFO"),
        "Log level, as Lambda's logging configuration sets it.",
    ),
    variable(
        "RUST_LOG",
        None,
        "Log levels by target (`info,plugin=warn`), in place of `AWS_LAMBDA_LOG_LEVEL`.",
    ),
];
