//! How the time of a run is ended: by time that has passed. A thread sleeps until the next deadline of
//! those who run, and while nobody does it sleeps for good.

use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::{Engine, EngineWeak};

/// Has the runs of an engine look at their time when it is over. Cheap to clone.
#[derive(Clone)]
pub(super) struct Deadlines(Arc<Owner>);

/// The thread ends when the last clone is dropped.
struct Owner(Arc<Shared>);

#[derive(Default)]
struct Shared {
    watched: Mutex<Watched>,
    changed: Condvar,
}

#[derive(Default)]
struct Watched {
    /// The deadlines of those who run.
    deadlines: BTreeSet<Place>,
    /// The number of the last one.
    last: u64,
    /// When the thread wakes by itself, where it sleeps until then.
    wakes: Option<Instant>,
    is_closed: bool,
}

/// A deadline, and a number that no other one has.
type Place = (Instant, u64);

/// A deadline that is watched, until this is dropped.
pub(super) struct Deadline {
    shared: Arc<Shared>,
    place: Place,
}

impl Deadlines {
    /// Starts the thread.
    pub(super) fn watch(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (watched, engine) = (Arc::clone(&shared), engine.weak());
        let thread = std::thread::Builder::new().name("deadlines".to_owned());
        thread.spawn(move || watched.run(&engine))?;
        Ok(Self(Arc::new(Owner(shared))))
    }

    /// Has the engine's epoch increased as soon as that time is over. Every run of the engine then
    /// looks at its own time; the engine's deadline of the run must have been set
    /// before.
    pub(super) fn add(&self, deadline: Instant) -> Deadline {
        let shared = Arc::clone(&self.0.0);
        let place = shared.add(deadline);
        Deadline { shared, place }
    }
}

impl Deadline {
    /// When it is over.
    pub(super) fn at(&self) -> Instant {
        self.place.0
    }

    /// Puts it off: for the time in which the run waited for something that is not its own affair.
    pub(super) fn put_off(&mut self, until: Instant) {
        self.shared.watched.lock().deadlines.remove(&self.place);
        self.place = self.shared.add(until);
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.shared.watched.lock().deadlines.remove(&self.place);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.watched.lock().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn add(&self, deadline: Instant) -> Place {
        let mut watched = self.watched.lock();
        watched.last += 1;
        let place = (deadline, watched.last);
        watched.deadlines.insert(place);
        // A thread that sleeps until an earlier time finds this one then.
        if watched.wakes.is_none_or(|wakes| deadline < wakes) {
            self.changed.notify_one();
        }
        place
    }

    fn run(&self, engine: &EngineWeak) {
        let mut watched = self.watched.lock();
        while !watched.is_closed {
            let next = watched.deadlines.first().map(|place| place.0);
            watched.wakes = next;
            match next {
                None => self.changed.wait(&mut watched),
                Some(next) if next > Instant::now() => {
                    let _ = self.changed.wait_until(&mut watched, next);
                }
                Some(_) => {
                    // It is told once: a run that is in a call of the host looks when that returns.
                    watched.deadlines.pop_first();
                    let Some(engine) = engine.upgrade() else {
                        return;
                    };
                    engine.increment_epoch();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wakes(deadlines: &Deadlines) -> Option<Instant> {
        deadlines.0.0.watched.lock().wakes
    }

    fn wakes_at(deadlines: &Deadlines, deadline: Instant) {
        while wakes(deadlines) != Some(deadline) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn nobody_wakes_while_nothing_runs_and_an_earlier_deadline_comes_first() {
        let deadlines = Deadlines::watch(&Engine::default()).unwrap();
        assert_eq!(wakes(&deadlines), None);
        let late = deadlines.add(Instant::now() + Duration::from_hours(2));
        wakes_at(&deadlines, late.at());
        let early = deadlines.add(Instant::now() + Duration::from_hours(1));
        wakes_at(&deadlines, early.at());
        drop((late, early));
        assert!(deadlines.0.0.watched.lock().deadlines.is_empty());
    }

    #[test]
    fn who_ends_leaves_another_one_its_deadline_at_the_same_time() {
        let deadlines = Deadlines::watch(&Engine::default()).unwrap();
        let at = Instant::now() + Duration::from_hours(1);
        let [ended, other] = [at, at].map(|at| deadlines.add(at));
        drop(ended);
        let watched = deadlines.0.0.watched.lock();
        assert!(watched.deadlines.contains(&other.place));
    }

    #[test]
    fn a_deadline_that_is_put_off_is_watched_at_its_new_time_alone() {
        let deadlines = Deadlines::watch(&Engine::default()).unwrap();
        let mut deadline = deadlines.add(Instant::now() + Duration::from_hours(1));
        let later = deadline.at() + Duration::from_hours(1);
        deadline.put_off(later);
        let watched = deadlines.0.0.watched.lock();
        let all: Vec<Instant> = watched.deadlines.iter().map(|place| place.0).collect();
        assert_eq!(all, [later]);
    }

    #[test]
    fn the_thread_ends_with_the_last_owner() {
        let deadlines = Deadlines::watch(&Engine::default()).unwrap();
        let shared = Arc::downgrade(&deadlines.0.0);
        drop(deadlines);
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
