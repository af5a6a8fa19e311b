//! The clock and the random numbers of a run, both derived from the object and the module.

use super::limits::MAX_RANDOM_BYTES;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use wasmtime::Result;
use wasmtime_wasi::HostWallClock;

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

/// Raised where a guest asks for more random bytes at a time.
#[derive(Debug, thiserror::Error)]
#[error("too many random bytes at a time")]
pub(super) struct RandomLimit;

/// The random numbers of a run: one sequence, whichever interface they are drawn through.
pub(super) struct Seeded {
    pub(super) numbers: ChaCha8Rng,
    /// What a guest's hash maps start from.
    pub(super) hash_seed: (u64, u64),
}

impl Seeded {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let word =
            |start: usize| u64::from_le_bytes(std::array::from_fn(|byte| seed[start + byte]));
        Self {
            numbers: ChaCha8Rng::from_seed(seed),
            hash_seed: (word(0), word(8)),
        }
    }

    /// The next bytes of the sequence.
    pub(super) fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > MAX_RANDOM_BYTES {
            return Err(RandomLimit.into());
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.numbers.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}
