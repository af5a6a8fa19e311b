//! The clocks of a run: both are derived from the object, and from how often the guest looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

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

/// Where a run's monotonic clock stands, in nanoseconds; clones are the same clock.
#[derive(Clone, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Where it stands.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves it on to that time, if it is not there yet.
    pub(super) fn move_to(&self, nanoseconds: u64) {
        self.0.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    /// Somebody looks at it.
    fn step(&self) -> u64 {
        self.move_to(self.get().saturating_add(STEP_NANOSECONDS));
        self.get()
    }
}

/// For programs, which see the same clock.
impl HostMonotonicClock for Counter {
    fn resolution(&self) -> u64 {
        STEP_NANOSECONDS
    }

    fn now(&self) -> u64 {
        self.step()
    }
}

/// The monotonic clock of a run: a counter. Nobody waits for it: a wait moves it and is over.
pub(super) struct CountingClock;

impl HasData for CountingClock {
    type Data<'a> = ClockView<'a>;
}

/// What the clock works on, of the run that asks.
pub(super) struct ClockView<'a> {
    /// The counter.
    pub(super) counter: &'a Counter,
    /// Has the handles of waits.
    pub(super) table: &'a mut ResourceTable,
}

impl ClockView<'_> {
    fn over(&mut self) -> Result<Resource<DynPollable>> {
        let over = self.table.push(Over)?;
        subscribe(self.table, over)
    }
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.counter.step())
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(STEP_NANOSECONDS)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        self.counter.move_to(when);
        self.over()
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        self.counter
            .move_to(self.counter.get().saturating_add(duration));
        self.over()
    }
}

/// A wait that is over.
struct Over;

#[async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guest that waits until its clock has moved by that much comes to an end.
    #[test]
    fn a_look_at_the_clock_moves_it_by_the_resolution_that_is_told() {
        let counter = Counter::default();
        let (mut table, told) = (
            ResourceTable::new(),
            HostMonotonicClock::resolution(&counter),
        );
        let first = HostMonotonicClock::now(&counter);
        let mut view = ClockView {
            counter: &counter,
            table: &mut table,
        };
        assert_eq!(monotonic_clock::Host::now(&mut view).unwrap() - first, told);
        assert_eq!(monotonic_clock::Host::resolution(&mut view).unwrap(), told);
    }

    #[test]
    fn the_wall_clock_stands_and_is_as_fine_as_last_modified_times() {
        let clock = StandingClock(Duration::from_millis(1_700_000_000_123));
        assert_eq!(clock.now(), clock.now());
        assert_eq!(clock.resolution(), Duration::from_millis(1));
    }
}
