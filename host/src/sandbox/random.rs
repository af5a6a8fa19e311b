//! The random numbers of a run: derived from the object and the module.

use super::limits::MAX_RANDOM_BYTES;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use wasmtime::Result;
use wasmtime::component::HasData;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

/// Raised where a guest asks for more random bytes at a time.
#[derive(Debug, thiserror::Error)]
#[error("too many random bytes at a time")]
pub(super) struct RandomLimit;

/// The random numbers of a run: one sequence, whichever interface they are drawn through.
pub(super) struct Seeded {
    /// The sequence.
    numbers: ChaCha8Rng,
    /// What a guest's hash maps start from.
    hash_seed: (u64, u64),
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

    /// Fills a program's memory.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.numbers.fill_bytes(bytes);
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > MAX_RANDOM_BYTES {
            return Err(RandomLimit.into());
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.numbers.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl HasData for Seeded {
    type Data<'a> = &'a mut Self;
}

impl random::Host for Seeded {
    fn get_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.numbers.next_u64())
    }
}

impl insecure::Host for Seeded {
    fn get_insecure_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.numbers.next_u64())
    }
}

impl insecure_seed::Host for Seeded {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok(self.hash_seed)
    }
}
