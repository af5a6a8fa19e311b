//! Reading variables, and collecting everything that is wrong with them.

use super::variables::VARIABLES;
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
}
