//! The memory of a run: all linear memories and tables of its instances together, and their limit.

use crate::budget::{Account, Held};
use crate::invocation;
use crate::metrics::Count;
use crate::number::to_u64;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Error, ResourceLimiter, Result};

/// What wasmtime says where a memory would grow past all that its addresses reach. That error has
/// no type of its own; a test holds the two together.
const BEYOND_ADDRESSES: &str = "memory growth exceeds memory type's limits";

/// What a table's element takes on the host, in bytes.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Raised where a growth would pass the limit.
#[derive(Debug, thiserror::Error)]
#[error("the memory limit is reached")]
pub(super) struct MemoryLimit;

/// Raised where the host cannot give what the limit allows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HostLimit(String);

/// Raised where others have the memory that the run may have.
#[derive(Debug, thiserror::Error)]
#[error("other work has the memory that it may use, and did not give it back in time")]
pub(super) struct NoRoom;

/// The memory of a run, and what it has taken of the budget that all share.
pub(super) struct RunMemory {
    /// Bytes it has taken: a memory never becomes smaller, so that this is the most it had.
    taken: usize,
    /// Bytes it may still grow by.
    left: usize,
    room: Room,
}

/// Takes memory of the budget for a run; cheap to clone.
#[derive(Clone)]
pub(super) struct Room {
    account: Account,
    /// What was taken for the guest's memories.
    kept: Arc<Mutex<Option<Held>>>,
}

impl Room {
    pub(super) fn new(account: &Account) -> Self {
        Self {
            account: account.clone(),
            kept: Arc::default(),
        }
    }

    /// Takes memory, and waits for it where others have it.
    pub(super) fn take(&self, bytes: u64) -> Result<Held, NoRoom> {
        let taken = self.account.take_blocking(bytes);
        if taken.is_none() {
            invocation::count(Count::BudgetRefusals, 1);
        }
        taken.ok_or(NoRoom)
    }

    /// How long that has waited for others, which does not count as the run's own time.
    pub(super) fn waited(&self) -> Duration {
        self.account.waited()
    }

    /// Keeps what was taken until the run is over.
    fn keep(&self, held: Held) {
        match &mut *self.kept.lock() {
            Some(all) => all.join(held),
            none => *none = Some(held),
        }
    }
}

impl RunMemory {
    pub(super) fn new(bytes: usize, room: Room) -> Self {
        Self {
            taken: 0,
            left: bytes,
            room,
        }
    }

    /// Bytes that all its memories and tables have.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    fn take(&mut self, bytes: usize) -> Result<bool> {
        self.left = self.left.checked_sub(bytes).ok_or(MemoryLimit)?;
        let held = self.room.take(to_u64(bytes))?;
        self.room.keep(held);
        self.taken += bytes;
        Ok(true)
    }
}

impl ResourceLimiter for RunMemory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.take(desired.saturating_sub(current))
    }

    /// Ends the run. A guest that learned of it could go on without the memory, and return something else
    /// here than on a host that has enough.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        if error.to_string() == BEYOND_ADDRESSES {
            return Ok(());
        }
        Err(HostLimit(format!("{error:#}")).into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.take(
            desired
                .saturating_sub(current)
                .saturating_mul(TABLE_ELEMENT_BYTES),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use std::time::Instant;

    fn memory(limit: usize, budget: &Budget) -> RunMemory {
        let soon = Instant::now() + Duration::from_millis(1);
        let (account, _) = budget.try_open(0, 0, soon).unwrap().unwrap();
        RunMemory::new(limit, Room::new(&account))
    }

    fn free(limit: usize) -> RunMemory {
        RunMemory::new(limit, Room::new(&Account::unbounded()))
    }

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut memory = free(1000);
        assert!(memory.memory_growing(0, 600, None).unwrap());
        assert!(memory.table_growing(0, 40, None).unwrap());
        let taken = 600 + 40 * TABLE_ELEMENT_BYTES;
        assert_eq!(memory.taken(), taken);
        assert!(
            memory
                .memory_growing(600, 700, None)
                .unwrap_err()
                .is::<MemoryLimit>()
        );
        assert_eq!(memory.taken(), taken, "what is refused is not taken");
    }

    #[test]
    fn a_growth_past_the_declared_maximum_is_the_guests_own_affair() {
        let (mut memory, elements) = (free(10_000), 600);
        for (maximum, may_grow) in [(elements - 1, false), (elements, true)] {
            let grown = memory.memory_growing(0, elements, Some(maximum));
            assert_eq!(grown.unwrap(), may_grow);
            let grown = memory.table_growing(0, elements, Some(maximum));
            assert_eq!(grown.unwrap(), may_grow);
        }
        assert_eq!(memory.taken(), elements + elements * TABLE_ELEMENT_BYTES);
        let beyond = Error::msg(BEYOND_ADDRESSES);
        assert!(free(1000).memory_grow_failed(beyond).is_ok());
    }

    #[test]
    fn a_growth_that_the_host_refuses_ends_the_run() {
        let refused = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        let ended = free(1000).memory_grow_failed(refused.into());
        assert!(ended.unwrap_err().is::<HostLimit>());
    }

    #[test]
    fn what_others_have_is_waited_for_and_then_ends_the_run() {
        let budget = Budget::new(1000);
        let mut first = memory(1000, &budget);
        assert!(first.memory_growing(0, 600, None).unwrap());
        let mut second = memory(1000, &budget);
        let ended = second.memory_growing(0, 600, None);
        assert!(ended.unwrap_err().is::<NoRoom>());
        drop(first);
        assert!(memory(1000, &budget).memory_growing(0, 600, None).unwrap());
    }
}
