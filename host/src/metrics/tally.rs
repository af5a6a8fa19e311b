//! What one invocation has counted and measured.

use super::list::{Count, Sample};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Values of one metric in one line: the most that the format has.
pub(super) const VALUES: usize = 100;

/// A route as the manifest names it, where it does.
pub type RouteName = Option<Arc<str>>;

/// What was counted and measured, until it is taken.
#[derive(Debug)]
pub struct Tally {
    /// In the order of [`Count::ALL`].
    counts: [AtomicU64; Count::ALL.len()],
    /// Full syncs that ended, completed or not.
    syncs: AtomicU64,
    /// By route.
    routes: Mutex<BTreeMap<RouteName, OfRoute>>,
}

/// What was measured of the objects of one route.
#[derive(Debug, Default)]
pub(super) struct OfRoute {
    /// In the order of [`Sample::ALL`].
    pub(super) samples: [Vec<f64>; Sample::ALL.len()],
    /// Objects that failed.
    pub(super) failed: u64,
}

impl OfRoute {
    /// The most values that one of its metrics has.
    pub(super) fn longest(&self) -> usize {
        self.samples.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            syncs: AtomicU64::new(0),
            routes: Mutex::default(),
        }
    }
}

impl Tally {
    /// Adds to a count.
    pub fn add(&self, count: Count, number: u64) {
        self.counts[count.place()].fetch_add(number, Ordering::Relaxed);
    }

    /// Adds a full sync that ended.
    pub fn add_sync(&self, is_complete: bool) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.add(Count::SyncCompleted, is_complete.into());
    }

    /// Adds an object that failed to those of its route.
    pub fn add_failed(&self, route: &RouteName) {
        if route.is_some() {
            self.routes.lock().entry(route.clone()).or_default().failed += 1;
        }
    }

    /// Adds a value. Where there are as many as a line has, all that was measured of that route is
    /// handed out, to be written.
    pub(super) fn measure(&self, route: &RouteName, sample: Sample, value: f64) -> Option<OfRoute> {
        let mut routes = self.routes.lock();
        let of_route = match routes.get_mut(route) {
            Some(of_route) => of_route,
            None => routes.entry(route.clone()).or_default(),
        };
        let values = &mut of_route.samples[sample.place()];
        values.push(value);
        let is_full = values.len() >= VALUES;
        is_full.then(|| std::mem::take(of_route))
    }

    /// What a count has come to; it begins at zero again.
    pub(super) fn take(&self, count: Count) -> u64 {
        self.counts[count.place()].swap(0, Ordering::Relaxed)
    }

    /// How many full syncs ended; it begins at zero again.
    pub(super) fn take_syncs(&self) -> u64 {
        self.syncs.swap(0, Ordering::Relaxed)
    }

    /// All that was measured, by route; nothing is left.
    pub(super) fn take_routes(&self) -> BTreeMap<RouteName, OfRoute> {
        std::mem::take(&mut self.routes.lock())
    }

    /// Adds to these what another one has left. Their sum stays what it was.
    pub(super) fn absorb(&self, other: &Self) {
        for count in Count::ALL {
            match other.take(*count) {
                0 => {}
                number => self.add(*count, number),
            }
        }
        self.syncs.fetch_add(other.take_syncs(), Ordering::Relaxed);
        let mut routes = self.routes.lock();
        for (route, left) in other.take_routes() {
            let of_route = routes.entry(route).or_default();
            of_route.failed += left.failed;
            for (values, left) in of_route.samples.iter_mut().zip(left.samples) {
                values.extend(left);
            }
        }
    }
}
