//! What can be said of the variables alone.

use super::{Finding, bad, doubtful, good};
use crate::runner::of_function;
use crate::screen::bytes;
use redis_sync::settings::{Settings, SettingsError, most_of_object};
use redis_sync::text::counted;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What stands for the name of a bucket or a Redis that is not known, and is not asked.
const UNKNOWN: &str = "unknown";

/// Enough memory for any limits, in MiB, where the function's is not enough.
const ENOUGH_MIB: &str = "65536";

/// What the function would find in its environment.
pub(super) struct Variables {
    /// What it would work with; what is wrong is as if it were not set. `None` where that is of no use.
    pub(super) settings: Option<Settings>,
    /// What is wrong, each with the name of its variable in front.
    problems: Vec<String>,
}

impl Variables {
    /// Whether a region is known has other sources, too.
    pub(super) fn read(lookup: impl Fn(&str) -> Option<String>, has_region: bool) -> Self {
        let function = |name: &str| of_function(name, lookup(name));
        let mut read = match Settings::read(function) {
            Ok(settings) => Self {
                settings: Some(settings),
                problems: Vec::new(),
            },
            Err(SettingsError(problems)) => Self::without(problems, function),
        };
        if !has_region {
            let missing = "AWS_REGION is missing, by which requests to S3 are signed";
            read.problems
                .retain(|problem| name(problem) != "AWS_REGION");
            read.problems.push(missing.to_owned());
        }
        read
    }

    /// The settings without what is wrong.
    fn without(problems: Vec<String>, function: impl Fn(&str) -> Option<String>) -> Self {
        let names: BTreeSet<&str> = problems.iter().map(|problem| name(problem)).collect();
        let of_redis = |name: &str| name.starts_with("REDIS_");
        let is_redis_known = !names
            .iter()
            .any(|name| of_redis(name) || *name == "AWS_REGION");
        let settings = Settings::read(|name| match name {
            "CONFIG_BUCKET_NAME" if names.contains(name) => Some(UNKNOWN.to_owned()),
            "REDIS_HOST" if !is_redis_known => Some(UNKNOWN.to_owned()),
            name if of_redis(name) && !is_redis_known => None,
            "MEMORY_BUDGET_MIB" if names.contains("MEMORY_LIMIT_MIB") => {
                Some(ENOUGH_MIB.to_owned())
            }
            name if names.contains(name) => None,
            name => function(name),
        });
        Self {
            settings: settings.ok(),
            problems,
        }
    }

    /// Whether nothing is wrong with them.
    pub(super) fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }

    /// The variable that keeps the bucket from being looked at, if one does.
    pub(super) fn without_bucket(&self) -> Option<&str> {
        self.wrong(|name| ["CONFIG_BUCKET_NAME", "AWS_REGION"].contains(&name))
    }

    /// The same of Redis.
    pub(super) fn without_redis(&self) -> Option<&str> {
        self.wrong(|name| name.starts_with("REDIS_"))
    }

    fn wrong(&self, is_one: impl Fn(&str) -> bool) -> Option<&str> {
        let mut names = self.problems.iter().map(|problem| name(problem));
        names.find(|name| is_one(name))
    }

    /// What is wrong with them, but for memory.
    pub(super) fn look(&self) -> Vec<Finding> {
        let wrong = self
            .problems
            .iter()
            .filter(|problem| !is_of_memory(problem));
        let wrong: Vec<Finding> = wrong
            .map(|problem| bad("variables", with_advice(problem)))
            .collect();
        if wrong.is_empty() {
            return vec![good("variables", "complete")];
        }
        wrong
    }

    /// Whether there is memory for the limits.
    pub(super) fn memory(&self) -> Vec<Finding> {
        let wrong = self.problems.iter().filter(|problem| is_of_memory(problem));
        let wrong: Vec<Finding> = wrong.map(|problem| bad("memory", problem)).collect();
        if wrong.is_empty() {
            return self.settings.iter().map(memory).collect();
        }
        wrong
    }
}

/// The variable of a problem.
fn name(problem: &str) -> &str {
    problem.split(' ').next().unwrap_or_default()
}

fn is_of_memory(problem: &str) -> bool {
    let name = name(problem);
    name.starts_with("MEMORY_") || name == "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
}

fn with_advice(problem: &str) -> String {
    match name(problem) {
        "CONFIG_BUCKET_NAME" | "REDIS_HOST" if problem.ends_with("is missing") => {
            format!("{problem}: set it as the function has it, or ask that with --function NAME")
        }
        _ => problem.to_owned(),
    }
}

/// Where machine code is kept.
pub(super) fn compiled(settings: &Settings) -> Finding {
    match (&settings.artifacts.folder, &settings.artifacts.key) {
        (None, None) => doubtful(
            "compiled",
            "kept nowhere: every new function compiles; set COMPILED_CACHE_KEY or COMPILED_DIR",
        ),
        (Some(folder), _) => match folder.read_dir() {
            Ok(files) => {
                let files = files.flatten().map(|file| file.path());
                let is_compiled = |path: &PathBuf| path.extension() == Some("cwasm".as_ref());
                match files.filter(is_compiled).count() {
                    0 => doubtful(
                        "compiled",
                        format!(
                            "there is no compiled module in {}: `redis-sync compile MODULE… --out DIR` fills it",
                            folder.display()
                        ),
                    ),
                    number => good(
                        "compiled",
                        format!(
                            "{} in {}",
                            counted(number, "compiled module"),
                            folder.display()
                        ),
                    ),
                }
            }
            Err(error) => bad(
                "compiled",
                format!("COMPILED_DIR {} cannot be read: {error}", folder.display()),
            ),
        },
        (None, Some(_)) => good(
            "compiled",
            format!("in the bucket, under {}", settings.artifacts.prefix),
        ),
    }
}

/// How many objects there is memory for, at their limits.
fn memory(settings: &Settings) -> Finding {
    let memory = &settings.memory;
    let most = most_of_object(&settings.limits, settings.max_object_bytes);
    let together = memory.work_bytes / most.max(1);
    let sum = format!(
        "{} for work, of which an object may take {}: {together} at their limits at a time; {} for machine code, {} for compiling",
        bytes(memory.work_bytes),
        bytes(most),
        bytes(memory.code_bytes),
        bytes(memory.compile_bytes),
    );
    if together == 0 {
        bad(
            "memory",
            format!("{sum}: give the function more, or lower the limits"),
        )
    } else {
        good("memory", sum)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn read(set: &[(&str, &str)], has_region: bool) -> Variables {
        let lookup = |name: &str| {
            let mut set = set.iter();
            let found = set.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Variables::read(lookup, has_region)
    }

    fn texts(findings: &[Finding]) -> Vec<(&'static str, State, &str)> {
        let findings = findings.iter();
        findings
            .map(|finding| (finding.part, finding.state, &*finding.text))
            .collect()
    }

    const BOTH: [(&str, &str); 2] = [("CONFIG_BUCKET_NAME", "b"), ("REDIS_HOST", "h")];

    #[test]
    fn each_problem_is_a_line_and_what_it_does_not_touch_is_looked_at() {
        let set = [
            ("REDIS_HOST", "h"),
            ("TIME_LIMIT_MS", "soon"),
            ("FUEL_LIMIT", "0"),
        ];
        let read = read(&set, true);
        let lines = read.look();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.state == State::Bad));
        assert!(
            lines[2]
                .text
                .starts_with("CONFIG_BUCKET_NAME is missing: set it")
        );
        assert_eq!(read.without_bucket(), Some("CONFIG_BUCKET_NAME"));
        assert_eq!(read.without_redis(), None);
        let settings = read.settings.expect("the rest");
        assert_eq!(settings.redis.host, "h");
    }

    #[test]
    fn a_redis_that_is_half_known_is_not_looked_at() {
        let set = [
            BOTH[0],
            BOTH[1],
            ("REDIS_PORT", "x"),
            ("REDIS_IAM_CACHE_NAME", "c"),
        ];
        let read = read(&set, true);
        assert_eq!(read.without_redis(), Some("REDIS_PORT"));
        assert_eq!(read.without_bucket(), Some("AWS_REGION"));
        assert!(read.settings.is_some());
    }

    #[test]
    fn without_a_region_they_are_not_complete() {
        let read = read(&BOTH, false);
        assert!(!read.is_complete());
        let missing = "AWS_REGION is missing, by which requests to S3 are signed";
        assert_eq!(texts(&read.look()), [("variables", State::Bad, missing)]);
        assert_eq!(read.without_bucket(), Some("AWS_REGION"));
    }

    #[test]
    fn memory_is_that_of_the_function_and_not_of_this_machine() {
        let as_set = |mib| {
            read(
                &[BOTH[0], BOTH[1], ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", mib)],
                true,
            )
        };
        let found = read(&BOTH, true).memory();
        assert_eq!(texts(&found), texts(&as_set("1024").memory()));
        assert_eq!(found[0].state, State::Good);
        let small = as_set("256");
        let found = small.memory();
        assert_eq!((found[0].part, found[0].state), ("memory", State::Bad));
        assert_eq!(
            texts(&small.look()),
            [("variables", State::Good, "complete")]
        );
        assert!(small.settings.is_some(), "the rest is looked at");
    }

    #[test]
    fn a_folder_without_compiled_modules_is_doubted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display().to_string();
        let state = || {
            let read = read(&[BOTH[0], BOTH[1], ("COMPILED_DIR", &path)], true);
            compiled(&read.settings.expect("settings")).state
        };
        std::fs::write(folder.path().join("note.txt"), "").expect("a file");
        assert_eq!(state(), State::Doubtful);
        std::fs::write(folder.path().join("ab-cd.cwasm"), "").expect("a file");
        assert_eq!(state(), State::Good);
    }
}
