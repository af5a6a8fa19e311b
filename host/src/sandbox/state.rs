//! What one run has: its WASI context, its memory budget, its settings, its log.

use super::bindings::redis_sync::transform as host;
use super::clock::{Counter, StandingClock};
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
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

/// What the host keeps for one run, next to the guest's own memory.
pub(super) struct State {
    /// What WASI gives a program: streams, arguments, environment. Most transforms never ask for it,
    /// and making it takes as long as a small one runs.
    wasi: Option<WasiP1Ctx>,
    /// Where the wall clock stands.
    time: Duration,
    /// What it may still grow by.
    pub(super) memory: RunMemory,
    /// Where memory is taken.
    pub(super) room: Room,
    /// When its time is over.
    pub(super) deadline: Option<Deadline>,
    /// The monotonic clock.
    pub(super) clock: Counter,
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
        let clock = Counter::default();
        let time = Duration::from_millis(input.object.last_modified);
        let wasi = (kind == Kind::Command).then(|| {
            let mut builder = context(time, &stdout, &stderr);
            limited(
                builder
                    .monotonic_clock(clock.clone())
                    .stdin(MemoryInputPipe::new(input.object.body.clone()))
                    .args(&[input.plugin, &input.object.key])
                    .envs(&environment(input.object, input.settings)),
            )
        });
        Self {
            wasi,
            time,
            memory: RunMemory::new(input.limits.memory_bytes, room.clone()),
            room,
            deadline: None,
            clock,
            random: Seeded::new(seed(input.object, input.digest)),
            settings: Arc::clone(input.settings),
            log,
            stdout,
            stderr,
        }
    }

    /// WASI, which is made when it is first asked for.
    pub(super) fn wasi(&mut self) -> &mut WasiP1Ctx {
        self.wasi_and_clock().0
    }

    /// WASI, and the monotonic clock beside it.
    pub(super) fn wasi_and_clock(&mut self) -> (&mut WasiP1Ctx, &Counter) {
        let (time, stdout, stderr) = (self.time, &self.stdout, &self.stderr);
        let make = || limited(&mut context(time, stdout, stderr));
        (self.wasi.get_or_insert_with(make), &self.clock)
    }
}

/// What every plugin finds: streams of ours, no network, a clock that stands.
fn context(time: Duration, stdout: &Stream, stderr: &Stream) -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .wall_clock(StandingClock(time));
    builder
}

fn limited(builder: &mut WasiCtxBuilder) -> WasiP1Ctx {
    let mut wasi = builder.build_p1();
    wasi.ctx().table.set_max_capacity(MAX_HANDLES);
    wasi
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
