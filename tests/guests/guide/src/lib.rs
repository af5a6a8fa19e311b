//! The transform that the SDK's README begins with; a test holds the two together.

use std::collections::BTreeMap;

use redis_sync_guest::{Entries, Object, Result, transform};
use serde::Deserialize;

#[derive(Deserialize)]
struct Flag {
    on: bool,
}

/// `{"dark": {"on": true}}` becomes the hash `flags` with the field `dark`: `true`.
#[transform]
fn flags(object: &Object) -> Result<Entries> {
    let flags: BTreeMap<String, Flag> = object.json()?;
    let fields = flags
        .into_iter()
        .map(|(name, flag)| (name, flag.on.to_string()));
    Ok(Entries::new().hash("flags", fields))
}
