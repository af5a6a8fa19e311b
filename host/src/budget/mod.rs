//! The memory that work may take, all of it together: bodies, guests' memories, outputs, machine code
//! on its way, the compiling child.
//!
//! Whatever works opens an account first and says how much it will hold at the most. It is given
//! memory as it needs it, and waits where that would leave some account without a way to its most: so
//! far more runs at a time than if each had its most set aside, and nobody waits for ever, since
//! there is always one that can go on to its end. That is the banker's algorithm (E. W. Dijkstra,
//! EWD 623), for one resource; [`safe`] is its test.
//!
//! The rule for those who use it: who waits for another one's work holds nothing meanwhile. Where only so
//! many work at a time, those who wait for a turn may hold something, if all of them and all who have
//! a turn still need the same ([`Account::needs_at_most`]): then whoever has a turn can go on as soon as
//! any of them could.

mod machine;
mod safe;

pub use machine::machine_bytes;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use safe::Claim;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// All memory that work may take. Cheap to clone.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

/// One piece of work: it holds nothing any more when it and all that it took are dropped. Cheap to
/// clone.
#[derive(Clone)]
pub struct Account(Arc<Inner>);

/// Memory that was taken, until it is dropped.
pub struct Held {
    account: Account,
    bytes: u64,
}

/// What can never be given.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "it may need {} MiB of memory, and there are {} for all work (raise the function's memory or \
     MEMORY_BUDGET_MIB, or lower its limits)",
    mib(*.most),
    .total >> 20
)]
pub struct NeverFits {
    /// What it may need, in bytes.
    most: u64,
    /// What there is, in bytes.
    total: u64,
}

/// Bytes with the memory that was taken for them.
struct Kept<T> {
    bytes: T,
    _held: Held,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

struct Shared {
    total: u64,
    accounts: Mutex<Accounts>,
    /// Who opens an account waits here, in order, so that large work gets its turn too.
    turn: tokio::sync::Mutex<()>,
    /// Something was given back: for those who wait on an async thread, and on one that may block.
    freed: Notify,
    freed_blocking: Condvar,
}

#[derive(Default)]
struct Accounts {
    open: BTreeMap<u64, Claim>,
    last: u64,
    /// The most that was held since somebody asked, in bytes.
    peak: u64,
}

struct Inner {
    shared: Arc<Shared>,
    number: u64,
    /// Until when those of its threads wait that may block.
    until: Instant,
    /// How long they have waited, in microseconds.
    waited: AtomicU64,
}

/// How often a waiting thread adds to the time it has waited.
const WAIT: Duration = Duration::from_millis(50);

impl Budget {
    /// So many bytes for all work together.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(Shared {
            total: bytes,
            accounts: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            freed: Notify::new(),
            freed_blocking: Condvar::new(),
        }))
    }

    /// All that there is, in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.total
    }

    /// What is held now, in bytes.
    pub fn held(&self) -> u64 {
        self.0.accounts.lock().held()
    }

    /// The most that was held since this was last asked, in bytes.
    pub fn take_peak(&self) -> u64 {
        let mut accounts = self.0.accounts.lock();
        let held = accounts.held();
        std::mem::replace(&mut accounts.peak, held).max(held)
    }

    /// Opens an account that will hold `most` bytes at the most, when the first `first` of them can be
    /// given. Whoever came before is served before. `until` bounds its waits on threads that block.
    pub async fn open(
        &self,
        most: u64,
        first: u64,
        until: Instant,
    ) -> Result<(Account, Held), NeverFits> {
        let _turn = self.0.turn.lock().await;
        loop {
            let freed = self.0.freed.notified();
            if let Some(opened) = self.try_open(most, first, until)? {
                return Ok(opened);
            }
            freed.await;
        }
    }

    /// The same where it need not be waited for.
    pub fn try_open(
        &self,
        most: u64,
        first: u64,
        until: Instant,
    ) -> Result<Option<(Account, Held)>, NeverFits> {
        let total = self.0.total;
        if most.max(first) > total {
            let most = most.max(first);
            return Err(NeverFits { most, total });
        }
        let mut accounts = self.0.accounts.lock();
        accounts.last += 1;
        let number = accounts.last;
        accounts.open.insert(number, Claim { most, held: 0 });
        if !accounts.give(number, first, total) {
            accounts.open.remove(&number);
            return Ok(None);
        }
        drop(accounts);
        let account = Account::new(Arc::clone(&self.0), number, until);
        let held = Held {
            account: account.clone(),
            bytes: first,
        };
        Ok(Some((account, held)))
    }
}

impl Accounts {
    fn held(&self) -> u64 {
        self.open.values().map(|claim| claim.held).sum()
    }

    /// Gives an account more, if all can still come to their ends after that.
    fn give(&mut self, number: u64, bytes: u64, total: u64) -> bool {
        let Some(claim) = self.open.get_mut(&number) else {
            // An account of no budget.
            return true;
        };
        let before = *claim;
        claim.held = before.held.saturating_add(bytes);
        // Who takes more than was said is given it where there is room: what was said is for nothing
        // but the others' safety.
        claim.most = before.most.max(claim.held);
        if safe::is_safe(self.open.values().copied(), total) {
            self.peak = self.peak.max(self.held());
            return true;
        }
        if let Some(claim) = self.open.get_mut(&number) {
            *claim = before;
        }
        false
    }
}

impl Account {
    /// One of no budget: for what is small, or runs by itself.
    pub fn unbounded() -> Self {
        Self::new(Budget::new(u64::MAX).0, 0, Instant::now())
    }

    fn new(shared: Arc<Shared>, number: u64, until: Instant) -> Self {
        Self(Arc::new(Inner {
            shared,
            number,
            until,
            waited: AtomicU64::new(0),
        }))
    }

    /// Adds time that does not count as its work's own: a repetition that it did not ask for.
    pub fn excuse(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.waited.fetch_add(micros, Ordering::Relaxed);
    }

    /// Says that it needs no more than so many bytes beside what it holds now: what it might have needed,
    /// as far as was known when it was opened, is there for others. An error where it can never have them.
    pub fn needs_at_most(&self, bytes: u64) -> Result<(), NeverFits> {
        let (shared, number) = (&self.0.shared, self.0.number);
        let total = shared.total;
        if let Some(claim) = shared.accounts.lock().open.get_mut(&number) {
            let most = claim.held.saturating_add(bytes);
            if most > total {
                return Err(NeverFits { most, total });
            }
            claim.most = claim.most.min(most);
        }
        shared.wake();
        Ok(())
    }

    /// How long its threads have waited, those that wait now among them, and what is excused.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.0.waited.load(Ordering::Relaxed))
    }

    /// Takes more, if there is room now.
    pub fn try_take(&self, bytes: u64) -> Option<Held> {
        self.give(bytes).then(|| self.holding(bytes))
    }

    /// Takes more, when there is room.
    pub async fn take(&self, bytes: u64) -> Held {
        let shared = &self.0.shared;
        loop {
            let freed = shared.freed.notified();
            if self.give(bytes) {
                return self.holding(bytes);
            }
            freed.await;
        }
    }

    /// The same on a thread that may block; `None` where there was no room in time.
    pub fn take_blocking(&self, bytes: u64) -> Option<Held> {
        let Inner {
            shared,
            number,
            until,
            waited,
        } = &*self.0;
        let mut accounts = shared.accounts.lock();
        while !accounts.give(*number, bytes, shared.total) {
            let since = Instant::now();
            if since >= *until {
                return None;
            }
            shared
                .freed_blocking
                .wait_until(&mut accounts, (since + WAIT).min(*until));
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            waited.fetch_add(micros, Ordering::Relaxed);
        }
        drop(accounts);
        Some(self.holding(bytes))
    }

    /// Takes more, when there is room: what is left at the most of what it was opened for, so that nobody need
    /// wait for more than was said.
    pub async fn take_of_rest(&self, bytes: u64) -> Held {
        self.take(bytes.min(self.rest())).await
    }

    /// How much more it said that it would hold.
    fn rest(&self) -> u64 {
        let accounts = self.0.shared.accounts.lock();
        let claim = accounts.open.get(&self.0.number);
        claim.map_or(u64::MAX, |claim| claim.most.saturating_sub(claim.held))
    }

    fn give(&self, bytes: u64) -> bool {
        let shared = &self.0.shared;
        let mut accounts = shared.accounts.lock();
        accounts.give(self.0.number, bytes, shared.total)
    }

    fn holding(&self, bytes: u64) -> Held {
        Held {
            account: self.clone(),
            bytes,
        }
    }
}

impl Held {
    /// Joins what was taken later, so that both are given back together.
    pub fn join(&mut self, mut more: Self) {
        self.bytes += std::mem::take(&mut more.bytes);
    }

    /// Keeps bytes that it was taken for: it is given back when the last reference to them is dropped.
    pub fn keep(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Kept { bytes, _held: self })
    }

    /// How much it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what is more than that.
    pub fn shrink(&mut self, bytes: u64) {
        let back = self.bytes.saturating_sub(bytes);
        self.bytes -= back;
        self.account.0.give_back(back);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

impl Inner {
    fn give_back(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        if let Some(claim) = self.shared.accounts.lock().open.get_mut(&self.number) {
            claim.held -= bytes;
        }
        self.shared.wake();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.accounts.lock().open.remove(&self.number);
        self.shared.wake();
    }
}

impl Shared {
    fn wake(&self) {
        self.freed.notify_waiters();
        self.freed_blocking.notify_all();
    }
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests;
