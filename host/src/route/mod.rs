//! Which plugin transforms an object. Pure.
//!
//! By convention, `plugins/P.wasm` takes the object `P` and every object under `P/`, and the
//! longest `P` wins. Where `plugins/routes.toml` exists, it is the whole table ([`manifest`]).

mod candidate;
mod globs;
pub mod manifest;
mod plugin_list;
mod plugin_of;

pub use candidate::{Candidate, CandidateModule};
pub use globs::KeyGlobs;
pub use manifest::{Manifest, ManifestError};
pub use plugin_list::{PluginList, Resolution};
pub use plugin_of::is_plugin_name;

use crate::metrics::RouteName;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name of the manifest under the plugins' prefix.
pub const MANIFEST_NAME: &str = "routes.toml";

/// What a command plugin's stdout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// The value stored at the object's key.
    #[default]
    Value,
    /// An entries document.
    Entries,
}

impl Output {
    /// Its name, as the manifest has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Entries => "entries",
        }
    }
}

/// How an object is transformed.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// What metrics call it, where they do.
    pub name: RouteName,
    /// Names of the plugins under the plugins' prefix; each one's output feeds the next.
    pub plugins: Vec<String>,
    /// The digest each module must have, where the route names one; in the order of `plugins`.
    pub digests: Vec<Option<String>>,
    /// What the plugins can read.
    pub settings: BTreeMap<String, String>,
    /// What a command plugin's stdout is.
    pub output: Output,
    /// Redis keys it may write; `None` is any.
    pub keys: Option<KeyGlobs>,
    /// Time to live of entries that give none, in seconds.
    pub ttl_seconds: Option<u64>,
    /// In place of the limit of the environment.
    pub fuel: Option<u64>,
    /// In place of the limit of the environment.
    pub time: Option<Duration>,
    /// In place of the limit of the environment.
    pub memory_mib: Option<u32>,
}
