//! The generation of the plugin list, for which hosts keep it.
//!
//! Whoever handles a change of a plugin raises it, and only then takes tickets. So a host whose tickets
//! come with a generation may use the list that it has read since it first saw that one: of a change that
//! the list does not show, nobody has taken a ticket yet, and whoever will takes a later one.

use super::call::{Call, GENERATION};
use super::chance::step;
use super::{Ledger, LedgerError};
use redis::{FromRedisValue, ParsingError, Value};

/// A generation of the plugin list: equal to another, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);

impl Ledger {
    /// Raises the generation of the plugin list, and says which it is now. Safe to repeat.
    pub async fn raise_generation(&self) -> Result<Generation, LedgerError> {
        self.call(&self.generation_call().argument(step().to_string()))
            .await
    }

    /// The generation of the plugin list.
    pub(super) async fn generation(&self) -> Result<Generation, LedgerError> {
        self.call(&self.generation_call().argument("")).await
    }

    fn generation_call(&self) -> Call {
        Call::new(&GENERATION).key(self.names.generation())
    }
}

#[cfg(test)]
impl Generation {
    /// The generation of a number.
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

impl FromRedisValue for Generation {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        u64::from_redis_value(value).map(Self)
    }
}
