//! Whether all there is to do on a runtime is to wait.

use parking_lot::Mutex;
use redis_sync_local::Thread;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How many threads compute. They are there from the start: of one that is only starting, nobody knew.
const THREADS: usize = 4;

/// A runtime of one thread that says when it has run all that was ready, and the threads on which its hosts
/// compute.
#[derive(Clone)]
pub struct Quiet {
    /// All that was ready has run; whoever is woken by this runs before the thread would sleep.
    out_of_work: Arc<Notify>,
    /// The other threads that it has started.
    threads: Arc<Mutex<Vec<Thread>>>,
}

impl Quiet {
    /// Such a runtime.
    ///
    /// # Panics
    ///
    /// The machine has no thread or no file left for it.
    #[must_use]
    pub fn runtime() -> (Runtime, Self) {
        let quiet = Self {
            out_of_work: Arc::default(),
            threads: Arc::default(),
        };
        let (out_of_work, threads) = (Arc::clone(&quiet.out_of_work), Arc::clone(&quiet.threads));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(THREADS)
            .thread_keep_alive(Duration::MAX)
            .on_thread_park(move || out_of_work.notify_waiters())
            .on_thread_start(move || {
                let thread = Thread::current().expect("this is Linux");
                threads.lock().push(thread);
            })
            .build()
            .expect("a runtime starts");
        let all = Arc::new(Barrier::new(THREADS));
        let starts = (0..THREADS).map(|_| {
            let all = Arc::clone(&all);
            runtime.spawn_blocking(move || all.wait())
        });
        let starts: Vec<_> = starts.collect();
        runtime.block_on(async {
            for start in starts {
                start.await.expect("a thread starts");
            }
        });
        (runtime, quiet)
    }

    /// Lets run what is ready, and looks once for what has arrived meanwhile.
    pub(super) async fn turn(&self) {
        self.out_of_work.notified().await;
    }

    /// Whether none of its threads computes.
    pub(super) fn is_quiet(&self) -> bool {
        self.threads.lock().iter().all(Thread::is_asleep)
    }
}
