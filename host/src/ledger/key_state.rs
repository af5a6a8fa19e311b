//! What Redis holds of a data key now, and whose it is: what a preview compares with.

use super::owner::Owner;
use super::{Ledger, LedgerError, Reading};
use redis::cmd;

/// What Redis holds of a data key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyState {
    /// Whose it is.
    pub owned: Owned,
    /// Whether Redis drops it some day.
    pub expires: bool,
    /// Its value, if it is not too large.
    pub reading: Reading,
}

/// Whose a data key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    /// The object's that was asked about.
    ByItself,
    /// Another object's: its bucket and key.
    ByAnother(String),
    /// Nobody's that Redis Sync knows.
    ByNobody,
}

impl Ledger {
    /// What Redis holds of a key, seen from an object that would write it. The value is read where its
    /// content has no more than about `limit` bytes.
    pub async fn key_state(
        &self,
        object: &str,
        redis_key: &str,
        limit: u64,
    ) -> Result<KeyState, LedgerError> {
        let owners = self.names.owners_of(redis_key);
        let owner: Option<String> = self.send(cmd("HGET").arg(owners).arg(redis_key)).await?;
        let owned = match owner.as_deref().and_then(Owner::of_value) {
            None => Owned::ByNobody,
            Some(owner) if self.names.key_of_owner(&owner, redis_key) == Some(object) => {
                Owned::ByItself
            }
            Some(owner) => Owned::ByAnother(owner.object),
        };
        let remaining: i64 = self.send(cmd("PTTL").arg(redis_key)).await?;
        Ok(KeyState {
            owned,
            expires: remaining >= 0,
            reading: self.read(redis_key, limit).await?,
        })
    }
}
