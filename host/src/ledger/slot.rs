//! Hash slots of a cluster, and short texts that lie in each of them.

use crc16::{State, XMODEM};
use std::sync::LazyLock;

/// Hash slots of every cluster.
const SLOTS: u16 = 16_384;

/// A hash slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u16);

impl Slot {
    /// The slot of a Redis key: only what is between its first braces counts, if that is anything.
    pub(super) fn of(key: &str) -> Self {
        let tag = key
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map(|(tag, _)| tag)
            .filter(|tag| !tag.is_empty());
        Self(State::<XMODEM>::calculate(tag.unwrap_or(key).as_bytes()) % SLOTS)
    }

    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SLOTS).map(Self)
    }

    pub(super) fn from_number(number: usize) -> Option<Self> {
        let number = u16::try_from(number).ok()?;
        (number < SLOTS).then_some(Self(number))
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }
}

/// The smallest number whose digits lie in a slot, for each slot.
static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut tags: Vec<Option<u32>> = vec![None; usize::from(SLOTS)];
    let mut missing = tags.len();
    for number in 0.. {
        let Slot(slot) = Slot::of(&number.to_string());
        if let Some(tag @ None) = tags.get_mut(usize::from(slot)) {
            *tag = Some(number);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    tags.into_iter().flatten().collect()
});

/// A text that lies in a slot.
pub(super) fn tag(slot: Slot) -> u32 {
    TAGS.get(usize::from(slot.0)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(Slot::of("123456789"), Slot(0x31c3));
        assert_eq!(Slot::of("foo"), Slot(12_182));
        assert_eq!(Slot::of("{user1000}.following"), Slot::of("user1000"));
        assert_eq!(Slot::of("foo{}{bar}"), Slot(8363));
        assert_eq!(Slot::of("foo{{bar}}zap"), Slot::of("{bar"));
    }

    #[test]
    fn every_slot_has_a_tag() {
        for number in 0..SLOTS {
            assert_eq!(Slot::of(&tag(Slot(number)).to_string()), Slot(number));
        }
    }
}
