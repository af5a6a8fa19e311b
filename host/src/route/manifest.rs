//! `routes.toml`.

use super::globs::{self, MAX_GLOBS, MAX_GLOBS_BYTES};
use super::{Output, Route};
use crate::metrics::RouteName;
use crate::text::clip;
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// Routes of one manifest.
const MAX_ROUTES: usize = 10_000;

/// Routes that metrics tell apart: each is a few metrics more, which are paid for.
const MAX_NAMED: usize = 50;

/// The longest name of a route in metrics, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Plugins of one route, each fed by the one before it.
const MAX_CHAIN: usize = 16;

/// The table of routes, longest prefix first.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    routes: Vec<(String, Route)>,
}

/// Why a manifest is refused, with the place.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ManifestError(String);

impl ManifestError {
    /// Whatever of the message comes from the manifest is bounded with it.
    pub fn new(message: &str) -> Self {
        Self(clip(message).to_owned())
    }
}

impl Manifest {
    /// Reads a manifest; unknown keys are errors, and so is more than it may have. Takes time in
    /// proportion to its globs: not for an async thread.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let form: ManifestForm = toml::from_str(text).map_err(|error| located(text, &error))?;
        form.check_bounds()
            .map_err(|problem| ManifestError::new(&problem))?;
        let mut routes = Vec::with_capacity(form.route.len());
        let mut prefixes = BTreeSet::new();
        for form in form.route {
            let (prefix, span) = (form.prefix.get_ref().clone(), form.prefix.span());
            // Counted for an error alone: for each route it would take the square of their number.
            let at = |problem: &str| {
                ManifestError::new(&format!("line {}: {problem}", line(text, span.clone())))
            };
            if !prefixes.insert(prefix.clone()) {
                return Err(at(&format!(
                    "two routes have the prefix `{}`",
                    clip(&prefix)
                )));
            }
            let mut route = form
                .into_route()
                .map_err(|problem| at(&format!("route `{}`: {problem}", clip(&prefix))))?;
            route.name = name(&prefix).filter(|_| routes.len() < MAX_NAMED);
            routes.push((prefix, route));
        }
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { routes })
    }

    /// The route of the longest prefix that `key` begins with, and that prefix.
    pub fn route(&self, key: &str) -> Option<(&str, &Route)> {
        let (prefix, route) = self
            .routes
            .iter()
            .find(|(prefix, _)| key.starts_with(prefix.as_str()))?;
        Some((prefix, route))
    }

    /// Every route with its prefix, longest prefix first.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &Route)> {
        self.routes
            .iter()
            .map(|(prefix, route)| (prefix.as_str(), route))
    }
}

/// What metrics call the route of a prefix: the prefix, in the characters that a dimension may have.
fn name(prefix: &str) -> RouteName {
    if prefix.is_empty() {
        return Some("*".into());
    }
    let name = utf8_percent_encode(prefix, CONTROLS).to_string();
    let fits = name.len() <= MAX_NAME_BYTES && !name.trim().is_empty() && !name.starts_with(':');
    fits.then(|| name.into())
}

fn located(text: &str, error: &toml::de::Error) -> ManifestError {
    let place = error
        .span()
        .map(|span| format!("line {}: ", line(text, span)))
        .unwrap_or_default();
    ManifestError::new(&format!("{place}{}", without_values(error.message())))
}

/// What a parser says of a value of the wrong type, without that value: it may be a setting, and secret.
fn without_values(message: &str) -> Cow<'_, str> {
    let is_of_value = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .any(|start| message.starts_with(start));
    match (message.find(['"', '`']), message.rfind(", expected ")) {
        (Some(value), Some(expected)) if is_of_value && value < expected => {
            let (what, expected) = (message[..value].trim_end(), &message[expected..]);
            Cow::Owned(format!("{what}{expected}"))
        }
        _ => Cow::Borrowed(message),
    }
}

/// The line on which a part of the text begins.
fn line(text: &str, span: Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    1 + before.matches('\n').count()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestForm {
    #[serde(default)]
    route: Vec<RouteForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteForm {
    prefix: Spanned<String>,
    plugin: OneOrMany,
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
    #[serde(default)]
    output: Output,
    keys: Option<Vec<String>>,
    ttl_seconds: Option<u64>,
    fuel: Option<u64>,
    time_ms: Option<u64>,
    memory_mib: Option<u32>,
    sha256: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// A plugin sees text; numbers and booleans may be written bare.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, a number or a boolean")]
enum Setting {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

impl Setting {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Boolean(flag) => flag.to_string(),
        }
    }
}

impl ManifestForm {
    fn check_bounds(&self) -> Result<(), String> {
        let globs = || {
            self.route
                .iter()
                .flat_map(|route| route.keys.iter().flatten())
        };
        let bytes = globs().map(String::len).sum();
        for (what, number, most) in [
            ("routes", self.route.len(), MAX_ROUTES),
            ("globs in `keys`", globs().count(), MAX_GLOBS),
            ("bytes of globs in `keys`", bytes, MAX_GLOBS_BYTES),
        ] {
            if number > most {
                return Err(format!("it has {number} {what}, more than {most}"));
            }
        }
        Ok(())
    }
}

impl RouteForm {
    fn into_route(self) -> Result<Route, String> {
        let plugins = self.plugin.into_vec();
        if plugins.is_empty() || plugins.iter().any(|name| !name.ends_with(".wasm")) {
            return Err("`plugin` must name `.wasm` files under the plugins' prefix".to_owned());
        }
        if plugins.len() > MAX_CHAIN {
            return Err(format!(
                "`plugin` names {} modules, more than {MAX_CHAIN}",
                plugins.len()
            ));
        }
        let digests = digests(self.sha256, plugins.len())?;
        let at_least_one = |name: &str, number: Option<u64>| match number {
            Some(0) => Err(format!("`{name}` must be at least 1")),
            number => Ok(number),
        };
        let memory_mib = self.memory_mib;
        if memory_mib.is_some_and(|mib| !(1..=4096).contains(&mib)) {
            return Err("`memory_mib` must be from 1 to 4096".to_owned());
        }
        Ok(Route {
            name: None,
            plugins,
            digests,
            settings: self
                .settings
                .into_iter()
                .map(|(name, value)| (name, value.into_text()))
                .collect(),
            output: self.output,
            keys: self.keys.map(globs::compile).transpose()?,
            ttl_seconds: at_least_one("ttl_seconds", self.ttl_seconds)?,
            fuel: at_least_one("fuel", self.fuel)?,
            time: at_least_one("time_ms", self.time_ms)?.map(Duration::from_millis),
            memory_mib,
        })
    }
}

fn digests(sha256: Option<OneOrMany>, plugins: usize) -> Result<Vec<Option<String>>, String> {
    let Some(sha256) = sha256 else {
        return Ok(vec![None; plugins]);
    };
    let digests = sha256.into_vec();
    if digests.len() != plugins {
        return Err(format!(
            "`sha256` must give {plugins} digest(s), one a plugin"
        ));
    }
    let checked = digests.into_iter().map(|digest| {
        let digest = digest.to_ascii_lowercase();
        let valid = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if valid {
            Ok(Some(digest))
        } else {
            Err("`sha256` must be 64 hexadecimal digits".to_owned())
        }
    });
    checked.collect()
}

#[cfg(test)]
mod tests;
