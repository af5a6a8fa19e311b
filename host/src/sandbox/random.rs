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

#[cfg(test)]
mod tests {
    use super::insecure::Host as _;
    use super::insecure_seed::Host as _;
    use super::random::Host as _;
    use super::*;

    #[test]
    fn every_interface_draws_from_one_sequence_that_the_seed_decides() {
        let (mut one, mut same) = (Seeded::new([1; 32]), Seeded::new([1; 32]));
        let mut drawn = one.get_random_bytes(5).unwrap();
        drawn.extend(one.get_insecure_random_bytes(3).unwrap());
        assert_eq!(drawn.len(), 8);
        let mut filled = [0; 5];
        same.fill(&mut filled);
        assert_eq!(filled, drawn[..5]);
        assert_eq!(same.get_random_bytes(3).unwrap(), drawn[5..]);
        let numbers = [one.get_random_u64(), one.get_insecure_random_u64()].map(Result::unwrap);
        assert_eq!(same.get_insecure_random_u64().unwrap(), numbers[0]);
        assert_eq!(same.get_random_u64().unwrap(), numbers[1]);
        assert_ne!(numbers[0], numbers[1]);
        let other = Seeded::new([2; 32]).get_random_bytes(8).unwrap();
        assert_ne!(other[..5], drawn[..5]);
    }

    #[test]
    fn hash_maps_start_from_the_seed() {
        let seed = std::array::from_fn(|byte| u8::try_from(byte).unwrap());
        let words = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(Seeded::new(seed).insecure_seed().unwrap(), words);
    }

    #[test]
    fn as_many_random_bytes_as_a_guest_likes_are_refused() {
        let mut numbers = Seeded::new([1; 32]);
        let most = numbers.get_random_bytes(MAX_RANDOM_BYTES).unwrap();
        assert_eq!(u64::try_from(most.len()).unwrap(), MAX_RANDOM_BYTES);
        let refused = numbers.get_random_bytes(MAX_RANDOM_BYTES + 1).unwrap_err();
        assert!(refused.is::<RandomLimit>());
    }
}
