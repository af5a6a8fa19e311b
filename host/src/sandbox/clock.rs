//! The clocks of a run: both are derived from the object, and from how often the guest looks.

use std::time::Duration;
use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

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

/// The monotonic clock of a run: a counter. Nobody waits for it: a wait moves it and is over.
pub(super) struct CountingClock;

impl HasData for CountingClock {
    type Data<'a> = ClockView<'a>;
}

/// What the clock works on, of the run that asks.
pub(super) struct ClockView<'a> {
    /// Where the counter stands.
    pub(super) nanoseconds: &'a mut u64,
    /// Has the handles of waits.
    pub(super) table: &'a mut ResourceTable,
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

/// A wait that is over.
struct Over;

#[async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}
