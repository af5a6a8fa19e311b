//! The memory of a run: all linear memories and tables of its instances together, and their limit.

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

/// Counts what a run holds.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    /// Bytes it may still grow by.
    left: usize,
}

impl MemoryBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    fn take(&mut self, bytes: usize) -> Result<bool> {
        self.left = self.left.checked_sub(bytes).ok_or(MemoryLimit)?;
        Ok(true)
    }
}

impl ResourceLimiter for MemoryBudget {
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

    /// Ends the run. A guest that were told could go on without the memory, and return something else
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

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 600, None).unwrap());
        assert!(budget.table_growing(0, 40, None).unwrap());
        assert!(
            budget
                .memory_growing(600, 700, None)
                .unwrap_err()
                .is::<MemoryLimit>()
        );
    }

    #[test]
    fn a_growth_past_the_declared_maximum_is_the_guests_own_affair() {
        assert!(
            !MemoryBudget::new(1000)
                .memory_growing(0, 600, Some(500))
                .unwrap()
        );
        let beyond = Error::msg(BEYOND_ADDRESSES);
        assert!(MemoryBudget::new(1000).memory_grow_failed(beyond).is_ok());
    }

    #[test]
    fn a_growth_that_the_host_refuses_ends_the_run() {
        let refused = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        let ended = MemoryBudget::new(1000).memory_grow_failed(refused.into());
        assert!(ended.unwrap_err().is::<HostLimit>());
    }
}
