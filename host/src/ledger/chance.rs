//! Numbers that nobody can foresee.

use std::hash::{BuildHasher, RandomState};

/// A number that no two processes have alike.
pub(super) fn by_chance() -> u64 {
    RandomState::new().hash_one(())
}

/// A step from one number to the next: from 1 to 65,536.
pub(super) fn step() -> u64 {
    by_chance() % (1 << 16) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_forward() {
        assert!((0..100).all(|_| (1..=65_536).contains(&step())));
    }
}
