//! Keeps Redis equal to an S3 config bucket, seen through sandboxed WebAssembly transforms.
//!
//! One change goes this way:
//!
//! ```text
//! event -> changes -> ticket -> (plugin list, object) -> sandbox -> entries -> commit to Redis
//! ```
//!
//! [`event`] turns what a channel delivered into changed object keys. The [`ledger`] hands out a
//! ticket for each of them, *then* everything that decides the result is read: the plugin list and
//! the manifest ([`route`]), the object ([`store`]), the module ([`plugin`]). The [`sandbox`] runs
//! the plugin, and the ledger commits what it returned, unless a later ticket has committed. S3
//! reads are strongly consistent, so whoever holds a later ticket has read a state at least as new:
//! that is the whole reason why Redis converges although events are duplicated and out of order.
//!
//! [`pipeline`] is that path; [`handler`] is one invocation of the Lambda around it.
//!
//! Imports point down only: `handler -> pipeline -> {route, plugin, sandbox, ledger, store}`, and
//! those know [`entry`] and [`object`] alone.

pub mod aws;
pub mod entry;
pub mod event;
pub mod fingerprint;
pub mod full_sync;
pub mod handler;
mod key;
pub mod ledger;
pub mod metrics;
pub mod object;
pub mod pipeline;
pub mod plugin;
pub mod queue;
pub mod report;
pub mod route;
pub mod sandbox;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod work;
