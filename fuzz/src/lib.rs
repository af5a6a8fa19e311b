//! The parts of the host that read what strangers wrote, compiled in by path.
#![allow(
    dead_code,
    unexpected_cfgs,
    unreachable_pub,
    unused_imports,
    reason = "the host's modules, and not all of each is used"
)]

#[path = "../../host/src/budget/mod.rs"]
pub mod budget;
#[path = "../../host/src/entry/mod.rs"]
pub mod entry;
#[path = "../../host/src/event/mod.rs"]
pub mod event;
#[path = "../../host/src/fingerprint.rs"]
pub mod fingerprint;
#[path = "../../host/src/key.rs"]
pub mod key;
#[path = "../../host/src/object.rs"]
pub mod object;
pub mod plugin;
#[path = "../../host/src/route/mod.rs"]
pub mod route;
pub mod runs;
#[path = "../../host/src/sandbox/mod.rs"]
pub mod sandbox;
#[path = "../../host/src/settings/mod.rs"]
pub mod settings;
#[path = "../../host/src/text.rs"]
pub mod text;
#[path = "../../host/src/work.rs"]
pub mod work;
