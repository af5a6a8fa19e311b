//! What template.yaml gives the function fits the function that it makes.

use super::*;

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The variables that are written there word for word.
fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    let pairs = TEMPLATE
        .lines()
        .filter_map(|line| line.trim().split_once(": "));
    let quoted = pairs.filter_map(|(name, value)| {
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        Some((name, value))
    });
    quoted.filter(|(name, _)| VARIABLES.iter().any(|variable| variable.name == *name))
}

/// What the parameter `MemorySize` says under that name, in MiB.
fn memory(name: &str) -> &'static str {
    let (_, parameter) = TEMPLATE.split_once("\n  MemorySize:\n").unwrap();
    let (_, value) = parameter.split_once(name).unwrap();
    value.split_whitespace().next().unwrap()
}

fn with_memory(mib: &'static str) -> Settings {
    let required = [
        ("CONFIG_BUCKET_NAME", "b"),
        ("REDIS_HOST", "h"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", mib),
    ];
    let all: Vec<(&str, &str)> = required.into_iter().chain(variables()).collect();
    tests::read(&all).unwrap()
}

#[test]
fn the_limits_are_stated() {
    let stated: Vec<&str> = variables().map(|(name, _)| name).collect();
    for name in [
        "CONCURRENCY",
        "MEMORY_LIMIT_MIB",
        "MAX_OBJECT_BYTES",
        "MAX_OUTPUT_BYTES",
        "MEMORY_CEILING_MIB",
    ] {
        assert!(stated.contains(&name), "{name} in {stated:?}");
    }
}

#[test]
fn the_limits_fit_the_least_memory_that_it_may_have() {
    let settings = with_memory(memory("MinValue: "));
    assert_eq!(settings.concurrency, 8);
}

#[test]
fn what_a_route_may_raise_them_to_fits_the_memory_that_it_has_by_default() {
    let settings = with_memory(memory("Default: "));
    let ceiling = usize::try_from(settings.ceilings.memory_mib.unwrap()).unwrap();
    let raised = Limits {
        memory_bytes: ceiling << 20,
        ..settings.limits
    };
    let most = most_of_object(&raised, settings.max_object_bytes);
    let work = settings.memory.work_bytes;
    assert!(most <= work, "{most} bytes for one object, of {work}");
}
