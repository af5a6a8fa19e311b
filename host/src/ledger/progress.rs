//! How far things are that take more than one invocation, for whoever goes on, and whoever asks.
//!
//! Notes of this kind are no part of the protocol: where one is lost, a full sync begins at the front, and
//! nobody is told that a plugin is half changed. All of a bucket are in one hash, as JSON.

use super::call::{Call, NOTE};
use super::orphans::ScanPlace;
use super::record::milliseconds_now;
use super::{Ledger, LedgerError};
use redis::cmd;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Notes that are kept, at the most.
const MAX_NOTES: usize = 1000;

/// How long a full sync, or its search for orphans, may be gone on with: as long as Lambda repeats an event.
const SYNC_KEPT: Duration = Duration::from_hours(6);

/// Names of notes begin so.
const SYNC: &str = "sync:";
const PLUGIN: &str = "plugin:";
const ORPHANS: &str = "orphans:";

/// A full sync that ended before its end.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct KeptSync {
    /// The key that it goes on after.
    pub after: String,
    /// How many objects failed up to there.
    pub failed: u64,
    /// When it began, in milliseconds since the Unix epoch.
    pub began: u64,
    /// When it ended, as it is kept.
    pub at: u64,
}

impl KeptSync {
    /// One that begins now, at the front.
    pub fn begin() -> Self {
        Self {
            began: milliseconds_now(),
            ..Self::default()
        }
    }
}

/// A search for orphans that ended before its end.
#[derive(Deserialize, Serialize)]
struct KeptScan {
    place: ScanPlace,
    /// When it ended, in milliseconds since the Unix epoch.
    at: u64,
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
        let notes: BTreeMap<String, String> = self.ask(cmd("HGETALL").arg(notes)).await?;
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
        let note = kept.map_or_else(String::new, |kept| {
            let at = milliseconds_now();
            serde_json::json!(KeptSync { at, ..kept.clone() }).to_string()
        });
        self.note(&format!("{SYNC}{request}"), note).await
    }

    /// Where the search for orphans among the keys of objects under a prefix goes on, if it ended before its
    /// end lately.
    pub async fn kept_scan(&self, prefix: &str) -> Result<Option<ScanPlace>, LedgerError> {
        let note = self.noted(&format!("{ORPHANS}{prefix}")).await?;
        let kept = note.and_then(|note| serde_json::from_str(&note).ok());
        let kept = kept.filter(|kept: &KeptScan| is_fresh(kept.at));
        Ok(kept.map(|kept| kept.place))
    }

    /// Notes where it goes on; `None` where it begins at the front.
    pub async fn keep_scan(
        &self,
        prefix: &str,
        place: Option<&ScanPlace>,
    ) -> Result<(), LedgerError> {
        let at = milliseconds_now();
        let note = place.map_or_else(String::new, |place| {
            let place = place.clone();
            serde_json::json!(KeptScan { place, at }).to_string()
        });
        self.note(&format!("{ORPHANS}{prefix}"), note).await
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
        self.ask(cmd("HGET").arg(notes).arg(name)).await
    }

    async fn note(&self, name: &str, note: String) -> Result<(), LedgerError> {
        let call = Call::new(&NOTE)
            .key(self.names.progress())
            .argument(name)
            .argument(note)
            .argument(self.tombstone.as_secs().max(1).to_string())
            .argument(MAX_NOTES.to_string());
        let _noted: bool = self.call(&call).await?;
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
        let counts: Vec<u64> = self.read_each(commands.collect()).await?;
        Ok(counts.into_iter().sum())
    }
}

/// A note of a full sync, unless it is too old.
fn kept(note: &str) -> Option<KeptSync> {
    let kept: KeptSync = serde_json::from_str(note).ok()?;
    is_fresh(kept.at).then_some(kept)
}

fn is_fresh(at: u64) -> bool {
    let age = milliseconds_now().saturating_sub(at);
    Duration::from_millis(age) < SYNC_KEPT
}
