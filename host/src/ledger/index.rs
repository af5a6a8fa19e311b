//! Walking through the objects that have a record, in the order of their keys' bytes.

use super::{Ledger, LedgerError};

/// Where a walk begins, or begins again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this key, or the first one after it.
    At(String),
    /// After this key.
    After(String),
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
        let index = self.names.index();
        let (index, least, most) = (&index, &least, &most);
        self.link
            .run(|mut link| async move {
                redis::cmd("ZRANGEBYLEX")
                    .arg(index)
                    .arg(least)
                    .arg(most)
                    .arg("LIMIT")
                    .arg(0)
                    .arg(limit)
                    .query_async(&mut link)
                    .await
            })
            .await
    }
}
