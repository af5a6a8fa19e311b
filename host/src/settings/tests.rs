//! Problems are told at once and by name, secrets never; the README has the same table.

use super::*;

/// Settings of these variables and no others.
pub(crate) fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(|name| {
        pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn two_variables_are_enough() {
    let settings = read(&[("CONFIG_BUCKET_NAME", "b"), ("REDIS_HOST", "h")]).unwrap();
    assert_eq!((settings.redis.port, settings.concurrency), (6379, 8));
    assert_eq!(settings.limits.fuel, 5_000_000_000);
    assert_eq!(settings.limits.memory_bytes, 256 << 20);
    assert!(settings.redis.adopt_keys && !settings.redis.tls);
    assert!(settings.is_config("flags.json") && !settings.is_config("plugins/flags.wasm"));
}

#[test]
fn every_problem_is_reported_at_once_by_name() {
    let SettingsError(problems) = read(&[
        ("REDIS_PORT", "70000"),
        ("FUEL_LIMIT", "lots"),
        ("UNMATCHED", "drop"),
        ("REDIS_TLS", "perhaps"),
        ("PLUGINS_PREFIX", "plugins"),
        ("REDIS_IAM_CACHE_NAME", "cache"),
    ])
    .unwrap_err();
    for name in [
        "CONFIG_BUCKET_NAME",
        "REDIS_HOST",
        "REDIS_PORT",
        "FUEL_LIMIT",
        "UNMATCHED",
        "REDIS_TLS",
        "PLUGINS_PREFIX",
        "REDIS_USERNAME",
        "AWS_REGION",
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(name)),
            "{name} in {problems:#?}"
        );
    }
}

#[test]
fn what_is_no_bucket_by_its_own_name_is_a_problem() {
    for (name, what) in [
        (
            "arn:aws:s3:eu-west-2:1:accesspoint/config",
            "an access point",
        ),
        ("config-abcdefghijk-s3alias", "an access point"),
        ("config-abcdefghijk--ol-s3", "an Object Lambda access point"),
        ("config--euw2-az1--x-s3", "a directory bucket"),
    ] {
        let SettingsError(problems) =
            read(&[("CONFIG_BUCKET_NAME", name), ("REDIS_HOST", "h")]).unwrap_err();
        assert!(
            matches!(&problems[..], [one] if one.starts_with(&format!("CONFIG_BUCKET_NAME is {what}"))),
            "{problems:?}"
        );
    }
}

#[test]
fn a_ceiling_below_its_limit_is_a_problem() {
    let with = |name: &str, value: &str| {
        read(&[
            ("CONFIG_BUCKET_NAME", "b"),
            ("REDIS_HOST", "h"),
            (name, value),
        ])
    };
    for (name, low, high) in [
        ("FUEL_CEILING", "1", "5000000000"),
        ("TIME_CEILING_MS", "9999", "10000"),
        ("MEMORY_CEILING_MIB", "255", "256"),
    ] {
        let SettingsError(problems) = with(name, low).unwrap_err();
        assert!(problems[0].starts_with(name), "{problems:?}");
        assert!(with(name, high).is_ok(), "{name}");
    }
}

#[test]
fn a_serverless_cache_is_always_a_cluster() {
    let serverless = |cluster: &str| {
        read(&[
            ("CONFIG_BUCKET_NAME", "b"),
            ("REDIS_HOST", "h"),
            ("AWS_REGION", "eu-west-2"),
            ("REDIS_TLS", "true"),
            ("REDIS_USERNAME", "u"),
            ("REDIS_IAM_CACHE_NAME", "cache"),
            ("REDIS_IAM_SERVERLESS", "true"),
            ("REDIS_CLUSTER", cluster),
        ])
    };
    let SettingsError(problems) = serverless("false").unwrap_err();
    assert_eq!(
        problems,
        [
            "REDIS_CLUSTER must be true with REDIS_IAM_SERVERLESS: a serverless cache is always a cluster"
        ]
    );
    assert!(serverless("true").is_ok());
}

#[test]
fn a_password_is_never_printed() {
    let settings = read(&[
        ("CONFIG_BUCKET_NAME", "b"),
        ("REDIS_HOST", "h"),
        ("REDIS_PASSWORD", "hunter2"),
    ])
    .unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_readme_has_the_same_table() {
    let row = |Variable {
                   name,
                   default,
                   meaning,
               }: &Variable| match default {
        Some(default) => format!("| `{name}` | `{default}` | {meaning} |\n"),
        None => format!("| `{name}` | | {meaning} |\n"),
    };
    let table: String = VARIABLES.iter().map(row).collect();
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(&format!("| --- | --- | --- |\n{table}\n")),
        "the README's table must be:\n{table}"
    );
}

#[test]
fn the_table_has_every_variable_once() {
    let mut names: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), VARIABLES.len());
}
