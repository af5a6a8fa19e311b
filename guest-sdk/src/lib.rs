//! Write transforms for Redis Sync: an S3 object in, the Redis entries it stands for out.
//!
//! A transform is a function with [`#[transform]`](macro@transform) on it. It is built for
//! `wasm32-wasip1`, uploaded under the bucket's `plugins/` prefix, and run by Redis Sync in a
//! sandbox for each object that its route takes. Everywhere else it is an ordinary function, so
//! `cargo test` needs no WebAssembly:
//!
//! ```
//! use redis_sync_guest::{Entries, Object, Result, info, settings, transform};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Flag {
//!     name: String,
//!     on: bool,
//!     regions: Option<Vec<String>>,
//! }
//!
//! /// Keeps the flags of this route's region as one hash: flag name -> "true" or "false".
//! #[transform]
//! fn flags(object: &Object) -> Result<Entries> {
//!     let region = settings::get("region");
//!     let flags: Vec<Flag> = object.json()?;
//!     let total = flags.len();
//!     let fields: Vec<_> = flags
//!         .into_iter()
//!         .filter(|flag| match (&region, &flag.regions) {
//!             (Some(region), Some(regions)) => regions.contains(region),
//!             _ => true,
//!         })
//!         .map(|flag| (flag.name, flag.on.to_string()))
//!         .collect();
//!     info!("{} of {total} flags are for this region", fields.len());
//!     Ok(Entries::new().hash("flags", fields))
//! }
//!
//! # fn main() -> Result<()> {
//! let object = Object::new(
//!     "flags.json",
//!     r#"[{"name": "dark", "on": true},
//!         {"name": "beta", "on": false, "regions": ["eu"]},
//!         {"name": "old", "on": true, "regions": ["us"]}]"#,
//! );
//! let entries = settings::with([("region", "eu")], || flags(&object))?;
//! assert_eq!(entries, Entries::new().hash("flags", [("dark", "true"), ("beta", "false")]));
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to the result
//!
//! - **Entries** replace all that the object yielded before, in one step: what is no longer among
//!   them is removed. So a transform says what should be there, and never what to change.
//! - **An error** fails the object: its old entries stay, and the error with its causes is
//!   reported. Any [`std::error::Error`] converts with `?`; [`bail!`], [`ensure!`], [`anyhow!`] and
//!   [`Context`] make others. Do not put values of the document into messages: they reach logs.
//! - **A panic** fails the object too. Its message and place reach the log.
//!
//! [`run()`] does natively what the sandbox does with a transform, for tests of the failures.

pub use anyhow::{Context, Error, Result, anyhow, bail, ensure};

/// Makes a function the transform of its crate.
///
/// The function takes the object by reference and returns [`Entries`] or an error, of any type that
/// converts to [`Error`]. It stays an ordinary function; on WebAssembly it is also what the plugin
/// exports. A crate has one transform: what several share goes into a crate of its own.
pub use redis_sync_guest_macros::transform;

pub use crate::entries::Entries;
pub use crate::entry::{Entry, Value};
pub use crate::object::Object;
pub use crate::run::run;
pub use crate::sorted::Sorted;

mod entries;
mod entry;
mod json;
pub mod log;
mod object;
mod run;
pub mod settings;
mod sorted;
mod text;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;

/// The examples of the README are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What `#[transform]` does with the function's name: outside a plugin it only checks the type,
/// which also keeps a private function from counting as unused.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($transform:ident) => {
        const _: fn(
            &$crate::Object,
        ) -> ::core::result::Result<$crate::Entries, ::std::string::String> =
            |object| $crate::run($transform, object);
    };
}
