//! Everything a plugin can import, in one place. What is not here is refused when it is loaded.
//!
//! WASI 0.2 is linked whole, since the runtimes of Rust, Go, C, JavaScript and Python need parts of
//! each of its interfaces, but behind it there is nothing: no directory is opened, sockets cannot
//! be made, names are not resolved, and the environment is what the contract says. Clocks stand
//! still or count, and waiting is over at once.

use super::plugin::bindings::redis_sync::transform as host;
use super::state::State;
use rand::Rng;
use rand::rngs::ChaCha8Rng;
use std::time::Duration;
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::random::{insecure, random};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostWallClock, WasiView};

pub(super) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, CountingClock>(&mut linker, |state| ClockView {
        nanoseconds: &mut state.monotonic,
        table: &mut state.table,
    })?;
    random::add_to_linker::<State, Seeded>(&mut linker, |state| &mut state.random)?;
    insecure::add_to_linker::<State, Seeded>(&mut linker, |state| &mut state.random)?;
    linker.allow_shadowing(false);
    host::types::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    host::log::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    host::settings::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// The wall clock of a run: it stands at the object's last-modified time.
pub(super) struct StandingClock(pub(super) Duration);

impl HostWallClock for StandingClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// Every look at the monotonic clock moves it by a microsecond.
const STEP_NANOSECONDS: u64 = 1000;

struct CountingClock;

impl HasData for CountingClock {
    type Data<'a> = ClockView<'a>;
}

struct ClockView<'a> {
    nanoseconds: &'a mut u64,
    table: &'a mut ResourceTable,
}

impl ClockView<'_> {
    fn advance(&mut self, nanoseconds: u64) -> u64 {
        *self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds);
        *self.nanoseconds
    }

    fn over(&mut self) -> Result<Resource<DynPollable>> {
        let over = self.table.push(Over)?;
        subscribe(self.table, over)
    }
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.advance(STEP_NANOSECONDS))
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(STEP_NANOSECONDS)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        *self.nanoseconds = when.max(*self.nanoseconds);
        self.over()
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        self.advance(duration);
        self.over()
    }
}

/// A wait that is over: sleeping moves the clock and nothing else.
struct Over;

#[async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}

/// Random bytes a guest may ask for at a time.
pub(super) const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// Raised where a guest asks for more random bytes at a time.
#[derive(Debug, thiserror::Error)]
#[error("too many random bytes at a time")]
pub(super) struct RandomLimit;

/// The random numbers of a run: one sequence, whichever interface they are drawn through.
pub(super) struct Seeded(pub(super) ChaCha8Rng);

impl HasData for Seeded {
    type Data<'a> = &'a mut Self;
}

impl Seeded {
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > MAX_RANDOM_BYTES {
            return Err(RandomLimit.into());
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.0.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for Seeded {
    fn get_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.0.next_u64())
    }
}

impl insecure::Host for Seeded {
    fn get_insecure_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.0.next_u64())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> wasmtime_wasi::WasiCtxView<'_> {
        wasmtime_wasi::WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
