//! What the host offers.

use std::collections::BTreeMap;

use super::given::{Block, Optional};
use crate::log::Level;

mod log {
    #[link(wasm_import_module = "redis-sync:transform/log@0.1.0")]
    unsafe extern "C" {
        pub(super) fn write(level: u32, message: *const u8, bytes: usize);
    }
}

mod settings {
    use super::{Block, Optional};
    use std::mem::MaybeUninit;

    #[link(wasm_import_module = "redis-sync:transform/settings@0.1.0")]
    unsafe extern "C" {
        pub(super) fn get(
            name: *const u8,
            bytes: usize,
            value: &mut MaybeUninit<Optional<Block<u8>>>,
        );
        pub(super) fn all(settings: &mut MaybeUninit<Block<[Block<u8>; 2]>>);
    }
}

pub(crate) fn write_log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => 0,
        Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    };
    // SAFETY: the host reads the message, and keeps nothing of it.
    unsafe { log::write(level, message.as_ptr(), message.len()) }
}

pub(crate) fn setting(name: &str) -> Option<String> {
    let mut value = std::mem::MaybeUninit::zeroed();
    // SAFETY: the host reads the name, and writes the value.
    let value = unsafe {
        settings::get(name.as_ptr(), name.len(), &mut value);
        value.assume_init()
    };
    value.text()
}

pub(crate) fn all_settings() -> BTreeMap<String, String> {
    let mut all = std::mem::MaybeUninit::zeroed();
    // SAFETY: the host writes the list.
    let all = unsafe {
        settings::all(&mut all);
        all.assume_init()
    };
    let mut settings = BTreeMap::new();
    for [name, value] in all.items() {
        settings.insert(name.text(), value.text());
    }
    settings
}
