//! The plugin's side of the interface: there on WebAssembly only.

use std::collections::BTreeMap;
use std::panic::{self, PanicHookInfo};

use self::bindings::redis_sync::transform::{log, settings, types};
use crate::log::Level;
use crate::{Entries, Entry, Error, Object, Result, Value, run};

#[expect(missing_docs, reason = "generated from the WIT file")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "transformer",
        pub_export_macro: true,
        export_macro_name: "export_transformer",
    });
}

/// What `#[transform]` does with the function's name: it becomes what the plugin exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($transform:ident) => {
        const _: () = {
            struct Plugin;

            impl $crate::guest::bindings::Guest for Plugin {
                fn transform(
                    object: $crate::guest::bindings::Object,
                ) -> ::core::result::Result<
                    ::std::vec::Vec<$crate::guest::bindings::Entry>,
                    ::std::string::String,
                > {
                    $crate::guest::transform($transform, object)
                }
            }

            $crate::guest::bindings::export_transformer!(
                Plugin with_types_in $crate::guest::bindings
            );
        };
    };
}

/// One call from the host.
///
/// # Errors
/// As [`run`].
pub fn transform<E: Into<Error>>(
    transform: impl FnOnce(&Object) -> Result<Entries, E>,
    object: types::Object,
) -> Result<Vec<types::Entry>, String> {
    panic::set_hook(Box::new(log_panic));
    let entries = run(transform, &object.into())?;
    Ok(entries.into_iter().map(Into::into).collect())
}

/// A panic ends in a trap, which has no message: this is the last chance to say why.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    match panic.location() {
        Some(location) => crate::error!("panicked at {location}: {message}"),
        None => crate::error!("panicked: {message}"),
    }
}

pub(crate) fn write_log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

pub(crate) fn setting(name: &str) -> Option<String> {
    settings::get(name)
}

pub(crate) fn all_settings() -> BTreeMap<String, String> {
    settings::all().into_iter().collect()
}

impl From<types::Object> for Object {
    fn from(object: types::Object) -> Self {
        Self {
            bucket: object.bucket,
            key: object.key,
            etag: object.etag,
            version_id: object.version_id,
            last_modified_ms: object.last_modified,
            content_type: object.content_type,
            metadata: object.metadata.into_iter().collect(),
            body: object.body,
        }
    }
}

impl From<Entry> for types::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            ttl_seconds: entry.ttl_seconds(),
            key: entry.key,
            value: entry.value.into(),
        }
    }
}

impl From<Value> for types::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Hash(fields) => Self::Hash(fields.into_iter().collect()),
            Value::List(values) => Self::List(values),
            Value::Set(members) => Self::Set(members.into_iter().collect()),
            Value::SortedSet(members) => Self::SortedSet(members.into_iter().collect()),
        }
    }
}
