//! What a run is given.

use crate::budget::Account;
use crate::object::Object;
use crate::route::Output;
use crate::settings::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It exports `transform`.
    Transform,
    /// It is a WASI program.
    Command,
}

/// Everything a run sees.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Name of the module.
    pub plugin: &'a str,
    /// Digest of the module, in hexadecimal.
    pub digest: &'a str,
    /// The object.
    pub object: &'a Object,
    /// The route's settings.
    pub settings: &'a Arc<BTreeMap<String, String>>,
    /// What a command's stdout is.
    pub output: Output,
    /// What it may use.
    pub limits: Limits,
    /// Where the memory that it takes comes from.
    pub account: &'a Account,
}
