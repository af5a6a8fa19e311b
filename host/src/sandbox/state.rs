//! What one run has: its WASI context, its memory budget, its settings, its log.

use super::bindings::redis_sync::transform as host;
use super::clock::StandingClock;
use super::deadline::Deadline;
use super::guest_log::GuestLog;
use super::input::{Input, Kind};
use super::limits::MAX_HANDLES;
use super::memory::{Room, RunMemory};
use super::random::Seeded;
use super::stdio::Stream;
use crate::fingerprint::Fingerprint;
use crate::object::Object;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

/// What the host keeps for one run, next to the guest's own memory.
pub(super) struct State {
    /// What WASI gives a program: streams, arguments, environment.
    pub(super) wasi: WasiCtx,
    /// The handles that the guest has open.
    pub(super) table: ResourceTable,
    /// What it may still grow by.
    pub(super) memory: RunMemory,
    /// Where memory is taken.
    pub(super) room: Room,
    /// When its time is over.
    pub(super) deadline: Option<Deadline>,
    /// Where the monotonic clock stands, in nanoseconds.
    pub(super) monotonic: u64,
    /// Seeded by object and module.
    pub(super) random: Seeded,
    /// The route's settings.
    settings: Arc<BTreeMap<String, String>>,
    /// What the guest says.
    pub(super) log: Arc<Mutex<GuestLog>>,
    /// A transform's goes into the log; a command's is its output.
    pub(super) stdout: Stream,
    /// Goes into the log.
    pub(super) stderr: Stream,
}

impl State {
    pub(super) fn new(input: &Input<'_>, kind: Kind, log: GuestLog) -> Self {
        let log = Arc::new(Mutex::new(log));
        let room = Room::new(input.account);
        let stderr = Stream::to_log(&log, true);
        let stdout = match kind {
            Kind::Transform => Stream::to_log(&log, false),
            Kind::Command => Stream::to_output(input.limits.output_bytes, &room),
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            wasi: context(input, kind, &stdout, &stderr),
            table,
            memory: RunMemory::new(input.limits.memory_bytes, room.clone()),
            room,
            deadline: None,
            monotonic: 0,
            random: Seeded::new(seed(input.object, input.digest)),
            settings: Arc::clone(input.settings),
            log,
            stdout,
            stderr,
        }
    }
}

fn context(input: &Input<'_>, kind: Kind, stdout: &Stream, stderr: &Stream) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .wall_clock(StandingClock(Duration::from_millis(
            input.object.last_modified,
        )));
    if kind == Kind::Command {
        builder
            .stdin(MemoryInputPipe::new(input.object.body.clone()))
            .args(&[input.plugin, &input.object.key])
            .envs(&environment(input.object, input.settings));
    }
    builder.build()
}

/// A command's environment: the object's, then the route's settings, which win.
fn environment(object: &Object, settings: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut variables = BTreeMap::from([
        ("OBJECT_BUCKET".to_owned(), object.bucket.clone()),
        ("OBJECT_KEY".to_owned(), object.key.clone()),
        ("OBJECT_ETAG".to_owned(), object.etag.clone()),
    ]);
    let optional = [
        ("OBJECT_VERSION_ID", &object.version_id),
        ("OBJECT_CONTENT_TYPE", &object.content_type),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            variables.insert(name.to_owned(), value.clone());
        }
    }
    variables.extend(
        settings
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    variables.into_iter().collect()
}

/// The same object and the same module give the same random numbers.
fn seed(object: &Object, digest: &str) -> [u8; 32] {
    let version = object.version_id.as_deref().unwrap_or_default();
    Fingerprint::new()
        .parts([&object.bucket, &object.key, &object.etag, version, digest])
        .bytes()
}

impl host::types::Host for State {}

impl host::log::Host for State {
    fn write(&mut self, level: host::log::Level, message: String) {
        let level = match level {
            host::log::Level::Trace => Level::TRACE,
            host::log::Level::Debug => Level::DEBUG,
            host::log::Level::Info => Level::INFO,
            host::log::Level::Warn => Level::WARN,
            host::log::Level::Error => Level::ERROR,
        };
        self.log.lock().write(level, &message);
    }
}

impl host::settings::Host for State {
    fn get(&mut self, name: String) -> Option<String> {
        self.settings.get(&name).cloned()
    }

    fn all(&mut self) -> Vec<(String, String)> {
        self.settings
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}
