//! How far things are that take more than one invocation, for whoever goes on, and whoever asks.
//!
//! Notes of this kind are no part of the protocol: where one is lost, a full sync begins at the front, and
//! nobody is told that a plugin is half changed. All of a bucket are in one hash, as JSON.

use super::call::{Call, NOTE};
use super::record::milliseconds_now;
use super::{Ledger, LedgerError};
use crate::event::Chain;
use redis::cmd;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Notes that are kept, at the most.
const MAX_NOTES: usize = 1000;

/// How long a full sync may be gone on with: as long as Lambda repeats an event.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// Names of notes begin so.
const SYNC: &str = "sync:";
const PLUGIN: &str = "plugin:";

/// A full sync that ended before its end.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct KeptSync {
    /// The key that it goes on after.
    pub after: String,
    /// What its next part is told.
    pub chain: Chain,
}

/// A change of a plugin, or of the manifest, that is not carried out for all objects yet.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ChangeNote {
    /// Its name under the plugins' prefix.
    pub plugin: String,
    /// SHA-256 of the new module; none where there is none, or it cannot be loaded.
    pub digest: Option<String>,
    /// When it began, in milliseconds since the Unix epoch.
    pub began: u64,
    /// How many of the objects that it may affect are as the new one makes them.
    pub done: u64,
    /// How many are not, about.
    pub left: u64,
}

impl ChangeNote {
    /// One that begins now.
    pub fn begin(plugin: &str, digest: Option<String>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            digest,
            began: milliseconds_now(),
            done: 0,
            left: 0,
        }
    }
}

/// What is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Full syncs that can be gone on with, by what they were asked for.
    pub syncs: BTreeMap<String, KeptSync>,
    /// Changed plugins.
    pub changes: Vec<ChangeNote>,
}

impl Ledger {
    /// All that is under way.
    pub async fn progress(&self) -> Result<Progress, LedgerError> {
        let notes = self.names.progress();
        let notes: BTreeMap<String, String> = self.send(cmd("HGETALL").arg(notes)).await?;
        let mut progress = Progress::default();
        for (name, note) in notes {
            if let Some(request) = name.strip_prefix(SYNC) {
                let kept = kept(&note).map(|kept| (request.to_owned(), kept));
                progress.syncs.extend(kept);
            } else if name.starts_with(PLUGIN) {
                progress.changes.extend(serde_json::from_str(&note));
            }
        }
        Ok(progress)
    }

    /// Where a full sync that was asked for in these words goes on, if it ended before its end lately.
    pub async fn kept_sync(&self, request: &str) -> Result<Option<KeptSync>, LedgerError> {
        let note = self.noted(&format!("{SYNC}{request}")).await?;
        Ok(note.as_deref().and_then(kept))
    }

    /// Notes where it goes on; `None` where it need not.
    pub async fn keep_sync(
        &self,
        request: &str,
        kept: Option<&KeptSync>,
    ) -> Result<(), LedgerError> {
        let note = kept.map_or_else(String::new, |kept| serde_json::json!(kept).to_string());
        self.note(&format!("{SYNC}{request}"), note).await
    }

    /// Notes that a plugin has changed, and how far that is.
    pub async fn note_change(&self, change: &ChangeNote) -> Result<(), LedgerError> {
        let name = format!("{PLUGIN}{}", change.plugin);
        self.note(&name, serde_json::json!(change).to_string())
            .await
    }

    /// The change of a plugin is carried out.
    pub async fn end_change(&self, plugin: &str) -> Result<(), LedgerError> {
        self.note(&format!("{PLUGIN}{plugin}"), String::new()).await
    }

    async fn noted(&self, name: &str) -> Result<Option<String>, LedgerError> {
        let notes = self.names.progress();
        self.send(cmd("HGET").arg(notes).arg(name)).await
    }

    async fn note(&self, name: &str, note: String) -> Result<(), LedgerError> {
        let is_removal = note.is_empty();
        let call = Call::new(&NOTE)
            .key(self.names.progress())
            .argument(name)
            .argument(note)
            .argument(self.tombstone.as_secs().max(1).to_string())
            .argument(MAX_NOTES.to_string());
        if self.call::<bool>(&call).await? || is_removal {
            return Ok(());
        }
        self.drop_stale_notes().await?;
        match self.call::<bool>(&call).await? {
            true => Ok(()),
            false => Err(self
                .link
                .refused(format!("{MAX_NOTES} notes are kept already"))),
        }
    }

    /// Removes what nobody goes on with any more.
    async fn drop_stale_notes(&self) -> Result<(), LedgerError> {
        let notes: BTreeMap<String, String> =
            self.send(cmd("HGETALL").arg(self.names.progress())).await?;
        let stale = notes
            .iter()
            .filter(|(name, note)| !name.starts_with(PLUGIN) && kept(note).is_none());
        let stale: Vec<&String> = stale.map(|(name, _)| name).collect();
        if !stale.is_empty() {
            let removed = cmd("HDEL").arg(self.names.progress()).arg(stale).clone();
            self.send::<u64>(&removed).await?;
        }
        Ok(())
    }

    /// How many objects have a record and a key that begins so, or is just that.
    pub async fn count_indexed(&self, prefix: &str, exact: bool) -> Result<u64, LedgerError> {
        // No key has a byte of that value.
        let last: &[u8] = if exact { &[] } else { &[0xff] };
        let commands = self.names.indexes().into_iter().map(|index| {
            let mut command = cmd("ZLEXCOUNT");
            command.arg(index).arg(format!("[{prefix}"));
            command.arg([b"[", prefix.as_bytes(), last].concat());
            command
        });
        let counts: Vec<u64> = self.send_each(commands.collect()).await?;
        Ok(counts.into_iter().sum())
    }
}

/// A note of a full sync, unless it is too old.
fn kept(note: &str) -> Option<KeptSync> {
    let kept: KeptSync = serde_json::from_str(note).ok()?;
    (!is_stale(&kept.chain)).then_some(kept)
}

/// Whether it is too long ago that the last part of a sync ended: what has happened since, nobody has looked at, so that
/// it begins at the front.
pub fn is_stale(chain: &Chain) -> bool {
    let pause = milliseconds_now().abs_diff(chain.ended);
    Duration::from_millis(pause) > LONGEST_PAUSE || chain.began > chain.ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_sync_local::Redis;

    fn kept_for(hours: u64) -> KeptSync {
        let chain = Chain {
            ended: milliseconds_now() - hours * 3_600_000,
            ..Chain::default()
        };
        KeptSync {
            after: "k".to_owned(),
            chain,
        }
    }

    /// Kills: a note that is taken for noted where there is no room, and notes that nobody goes on with and that keep
    /// others out.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_noted_is_an_error_and_what_is_old_makes_room() {
        let redis = Redis::start().await.unwrap();
        let ledger = Ledger::in_redis(&redis, false);
        for number in 0..MAX_NOTES {
            let hours = if number == 0 { 7 } else { 5 };
            let name = number.to_string();
            ledger
                .keep_sync(&name, Some(&kept_for(hours)))
                .await
                .unwrap();
        }
        ledger.keep_sync("new", Some(&kept_for(0))).await.unwrap();
        assert!(ledger.kept_sync("new").await.unwrap().is_some());
        assert!(ledger.kept_sync("0").await.unwrap().is_none());
        let full = ledger.keep_sync("newer", Some(&kept_for(0))).await;
        assert!(full.unwrap_err().to_string().contains("1000 notes"));
        ledger.keep_sync("newer", None).await.unwrap();
    }
}
