//! What must hold when a history has been played.

use super::player::Player;
use super::progress::Progress;
use super::steps::{Content, object};
use serde_json::Value;
use std::collections::BTreeMap;

impl Player {
    /// An error says which object Redis holds a part of.
    pub(super) async fn all_or_nothing(&self, progress: &Progress) -> Result<(), String> {
        let (held, kept) = (self.target.held().await, self.target.bookkeeping().await);
        let keys = kept.keys_by_object();
        for (number, versions) in &progress.versions {
            let object = object(*number);
            let has: BTreeMap<&str, &Value> = keys
                .get(&object)
                .into_iter()
                .flatten()
                .map(|key| (key.as_str(), &held[key]))
                .collect();
            let is_whole = |content: &Content| {
                let (keys, value) = (content.keys(*number), content.value());
                keys.len() == has.len()
                    && keys
                        .iter()
                        .all(|key| has.get(key.as_str()) == Some(&&value))
            };
            if !has.is_empty() && !versions.iter().any(is_whole) {
                return Err(format!(
                    "Redis holds {has:?} of `{object}`, a part of what it was"
                ));
            }
        }
        Ok(())
    }

    /// After losses of bookkeeping alone, once every change has come to all and before any sync: Redis holds what the
    /// bucket means, though perhaps more. An error says what it does not hold.
    pub(super) async fn nothing_is_missing(&self, progress: &Progress) -> Result<(), String> {
        let (held, expected) = (self.target.held().await, progress.expected(self.prefixes));
        let expected = expected.as_object().into_iter().flatten();
        let missing: Vec<_> = expected
            .filter(|(key, value)| held.get(key.as_str()) != Some(value))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "before the sync, Redis holds {held}\nand not {missing:?}"
        ))
    }

    /// An error says how Redis differs from what the bucket means.
    pub(super) async fn holds_what_is_meant(&self, progress: &Progress) -> Result<(), String> {
        let (held, expected) = (self.target.held().await, progress.expected(self.prefixes));
        let message = || format!("Redis holds {held}\nthe bucket means {expected}");
        (held == expected).then_some(()).ok_or_else(message)
    }

    /// Compares what Redis holds, and what is kept there besides, with what the bucket means. Tickets
    /// may be outstanding: some workers have died.
    pub(super) async fn compare(&self, progress: &Progress) -> Result<(), String> {
        self.settled().await;
        let mut found = Vec::from_iter(self.holds_what_is_meant(progress).await.err());
        for prefix in self.prefixes {
            let mut kept = self.target.bookkeeping_of(prefix).await.without_staged();
            for other in self.prefixes.iter().filter(|other| *other != prefix) {
                kept = kept.without(other);
            }
            if !progress.needs_sync && !progress.sync_undone {
                // A command that was repeated late may have noted again what has long ended.
                kept = kept.without_notes();
            }
            found.extend(kept.differences(&progress.meaning(&self.s3, prefix)));
        }
        let (calls, known) = (self.target.calls().await, self.gate.calls());
        if calls > known {
            found.push(format!(
                "Redis was asked for {calls} scripts, and only {known} passed the gate"
            ));
        }
        found.is_empty().then_some(()).ok_or(found.join("\n"))
    }
}
