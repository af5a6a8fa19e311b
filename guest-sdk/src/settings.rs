//! The settings that the object's route gives its transform.
//!
//! Natively there are none but those that a test sets:
//!
//! ```
//! use redis_sync_guest::{Result, settings};
//!
//! fn limit() -> Result<u32> {
//!     Ok(settings::parse("limit")?.unwrap_or(10))
//! }
//!
//! # fn main() -> Result<()> {
//! assert_eq!(limit()?, 10);
//! assert_eq!(settings::with([("limit", "5")], limit)?, 5);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use anyhow::anyhow;

use crate::Result;

#[cfg(target_family = "wasm")]
use crate::guest as source;
#[cfg(not(target_family = "wasm"))]
use native as source;
#[cfg(not(target_family = "wasm"))]
pub use native::with;

/// The setting of that name.
pub fn get(name: &str) -> Option<String> {
    source::setting(name)
}

/// All settings, by name.
pub fn all() -> BTreeMap<String, String> {
    source::all_settings()
}

/// The setting of that name as a number, a `bool` or whatever else is parsed from text.
///
/// # Errors
/// Where the setting is there and does not parse. The message names the setting.
pub fn parse<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>> {
    let parse = |value: String| {
        value
            .parse()
            .map_err(|error| anyhow!("setting `{name}`: {error}"))
    };
    get(name).map(parse).transpose()
}

/// Settings outside the sandbox: those of the test that runs on this thread.
#[cfg(not(target_family = "wasm"))]
mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static SETTINGS: RefCell<BTreeMap<String, String>> = RefCell::default();
    }

    /// Runs the function with these settings in place of all others, on this thread. Natively only.
    pub fn with<N: Into<String>, V: Into<String>, T>(
        settings: impl IntoIterator<Item = (N, V)>,
        run: impl FnOnce() -> T,
    ) -> T {
        let settings = settings
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let _outer = Outer(SETTINGS.replace(settings.collect()));
        run()
    }

    pub(super) fn setting(name: &str) -> Option<String> {
        SETTINGS.with_borrow(|settings| settings.get(name).cloned())
    }

    pub(super) fn all_settings() -> BTreeMap<String, String> {
        SETTINGS.with_borrow(Clone::clone)
    }

    /// The settings before, put back even where a test panics.
    struct Outer(BTreeMap<String, String>);

    impl Drop for Outer {
        fn drop(&mut self) {
            SETTINGS.set(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_end_with_their_test() {
        with([("region", "eu")], || {
            with([("limit", "5")], || {
                assert_eq!(
                    all(),
                    BTreeMap::from([("limit".to_owned(), "5".to_owned())])
                );
            });
            assert_eq!(get("region").as_deref(), Some("eu"));
            assert_eq!(get("limit"), None);
        });
        assert!(all().is_empty());
    }

    #[test]
    fn a_setting_that_does_not_parse_is_named() {
        let error = with([("limit", "ten")], || parse::<u32>("limit")).expect_err("no number");
        assert_eq!(
            error.to_string(),
            "setting `limit`: invalid digit found in string"
        );
    }
}
