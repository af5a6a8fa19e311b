//! Walking through the objects that have a record, in the order of their keys' bytes.

use super::{Ledger, LedgerError};

/// The key at which, or after which, reading the index begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this key, or the first one after it.
    At(String),
    /// After this key.
    After(String),
}

impl std::fmt::Display for Start {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(key) if key.is_empty() => formatter.write_str("at the start"),
            Self::At(key) => write!(formatter, "at `{key}`"),
            Self::After(key) => write!(formatter, "after `{key}`"),
        }
    }
}

impl Ledger {
    /// Up to `limit` keys, in order, none after `last`.
    pub async fn indexed(
        &self,
        from: &Start,
        last: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let least = match from {
            Start::At(key) => format!("[{key}"),
            Start::After(key) => format!("({key}"),
        };
        let most = last.map_or_else(|| "+".to_owned(), |last| format!("[{last}"));
        let commands = self.names.indexes().into_iter().map(|index| {
            let mut command = redis::cmd("ZRANGEBYLEX");
            command.arg(index).arg(&least).arg(&most);
            command.arg("LIMIT").arg(0).arg(limit);
            command
        });
        let keys: Vec<Vec<String>> = self.send_each(commands.collect()).await?;
        let mut keys = keys.concat();
        // Each index is in order; those of a cluster are not in order together.
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }
}
