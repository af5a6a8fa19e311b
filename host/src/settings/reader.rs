//! Reading variables, and collecting everything that is wrong with them.

use super::{Settings, VARIABLES};
use std::fmt;
use std::str::FromStr;

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name} {what}"));
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        let default = VARIABLES
            .iter()
            .find(|variable| variable.name == name)
            .and_then(|variable| variable.default);
        (self.lookup)(name)
            .filter(|value| !value.is_empty())
            .or(default.map(str::to_owned))
    }

    pub(super) fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(name, "is missing");
            String::new()
        })
    }

    pub(super) fn number<T>(&mut self, name: &str, least: T, most: T) -> T
    where
        T: FromStr + PartialOrd + Copy + fmt::Display,
    {
        let text = self.text(name);
        match text.parse::<T>() {
            Ok(number) if number >= least && number <= most => number,
            _ if text.is_empty() => least,
            _ => {
                self.problem(
                    name,
                    &format!("is `{text}`, not a whole number from {least} to {most}"),
                );
                least
            }
        }
    }

    pub(super) fn optional_number<T>(&mut self, name: &str, least: T, most: T) -> Option<T>
    where
        T: FromStr + PartialOrd + Copy + fmt::Display,
    {
        self.optional(name)
            .is_some()
            .then(|| self.number(name, least, most))
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.one_of(
            name,
            &[("true", true), ("false", false), ("1", true), ("0", false)],
        )
    }

    pub(super) fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let text = self.text(name);
        let chosen = choices
            .iter()
            .find(|(choice, _)| text.eq_ignore_ascii_case(choice));
        if chosen.is_none() && !text.is_empty() {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.problem(
                name,
                &format!("is `{text}`, not one of: {}", names.join(", ")),
            );
        }
        chosen.unwrap_or(&choices[0]).1
    }

    pub(super) fn check_prefixes(&mut self, settings: &Settings) {
        for (name, prefix) in [
            ("PLUGINS_PREFIX", &settings.plugins_prefix),
            ("COMPILED_PREFIX", &settings.artifacts.prefix),
        ] {
            if !prefix.is_empty() && !prefix.ends_with('/') {
                self.problem(name, &format!("is `{prefix}`, which does not end with `/`"));
            }
        }
        let (plugins, compiled) = (&settings.plugins_prefix, &settings.artifacts.prefix);
        if plugins.starts_with(compiled.as_str()) || compiled.starts_with(plugins.as_str()) {
            self.problem(
                "COMPILED_PREFIX",
                "and PLUGINS_PREFIX lie within each other",
            );
        }
        let prefix = &settings.redis.key_prefix;
        if prefix.starts_with(crate::entry::RESERVED_PREFIX) {
            self.problem(
                "REDIS_KEY_PREFIX",
                "begins with `redis-sync:`, which is reserved for bookkeeping",
            );
        }
    }
}
