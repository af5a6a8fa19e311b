//! One object: what a candidate would make of it, beside what Redis holds.

use super::change::Counts;
use super::compare::{Change, compare};
use crate::entry::Entry;
use crate::handler::answer_size::json_size;
use crate::ledger::{KeyState, LedgerError, Owned, Reading};
use crate::pipeline::{ChangeError, Evaluated, Pipeline};
use crate::route::PluginList;
use crate::text::clip;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use std::collections::BTreeSet;
use tokio::sync::Semaphore;

/// Bytes of JSON that the changes of one object have; what is beyond that is counted.
const MAX_CHANGES_BYTES: usize = 256 << 10;

/// Values of that many bytes are compared at a time, at the most, however many objects are tried.
const LARGE_VALUE_BYTES: u64 = 16 << 20;

/// Values of [`SMALL_VALUE_BYTES`] that are compared at a time.
const SMALL_VALUES: u32 = 16;

/// Keys of an object that are looked at together.
const KEYS_AT_ONCE: usize = 100;

/// What is read beside others.
const SMALL_VALUE_BYTES: u64 = 1 << 20;

/// What objects are compared with.
pub(super) struct Comparison<'a> {
    pipeline: &'a Pipeline,
    plugins: &'a PluginList,
    show_values: bool,
    /// Bounds the values of Redis that are held at a time.
    values: Semaphore,
}

/// What would become of an object.
#[derive(Debug, Serialize)]
pub(super) struct Previewed {
    pub(super) key: String,
    pub(super) outcome: Outcome,
    error: Option<String>,
    /// Whether its last attempt has failed already.
    fails_now: bool,
    fuel: Option<u64>,
    fuel_limit: Option<u64>,
    time_ms: f64,
    changes: Vec<Change>,
    /// Changes of keys that are not listed.
    left_out: u64,
    /// Bytes of all changes as JSON, also of those that are not listed.
    #[serde(skip)]
    changes_bytes: usize,
    /// Redis keys by kind of change; the answer has the sum.
    #[serde(skip)]
    pub(super) keys: Counts,
}

/// What may become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// Redis would hold something else.
    Changed,
    /// Redis holds what it would.
    Unchanged,
    /// The object would fail, and Redis keep what it holds.
    Failed,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, plugins: &'a PluginList, show_values: bool) -> Self {
        let places = usize::try_from(SMALL_VALUES).unwrap_or(1);
        Self {
            pipeline,
            plugins,
            show_values,
            values: Semaphore::new(places),
        }
    }

    /// What would become of an object; `None` where it is gone.
    pub(super) async fn object(&self, key: &str, fails_now: bool) -> Option<Previewed> {
        let evaluated = self.pipeline.evaluate(key, self.plugins).await;
        match &evaluated.entries {
            Ok(None) => None,
            _ => Some(self.compared(key, &evaluated, fails_now).await),
        }
    }

    /// What would become of an object, also where it is gone.
    pub(super) async fn object_or_gone(&self, key: &str) -> Previewed {
        let evaluated = self.pipeline.evaluate(key, self.plugins).await;
        self.compared(key, &evaluated, false).await
    }

    async fn compared(&self, key: &str, evaluated: &Evaluated, fails_now: bool) -> Previewed {
        let mut previewed = Previewed {
            fails_now,
            fuel: evaluated.fuel,
            fuel_limit: evaluated.fuel_limit,
            time_ms: (evaluated.time.as_secs_f64() * 1e6).round() / 1e3,
            ..Previewed::unchanged(key.to_owned())
        };
        let compared = match &evaluated.entries {
            Ok(None) => self.changes(key, &[], &mut previewed).await,
            Ok(Some(set)) => self.changes(key, set.entries(), &mut previewed).await,
            Err(error) => Err(error.to_string()),
        };
        match compared {
            Ok(()) => previewed,
            Err(why) => previewed.and_fails(&why),
        }
    }

    /// Adds what would change. An error where the commit would fail.
    async fn changes(
        &self,
        object: &str,
        entries: &[Entry],
        previewed: &mut Previewed,
    ) -> Result<(), String> {
        let text = |error: LedgerError| ChangeError::from(error).to_string();
        let kept: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let written = self.pipeline.ledger().written_keys(object).await;
        let mut gone = written.map_err(text)?;
        gone.retain(|key| !kept.contains(key.as_str()));
        let gone = gone.iter().map(|key| (key.as_str(), None));
        let yielded = entries
            .iter()
            .map(|entry| (entry.key.as_str(), Some(entry)));
        let keys: Vec<(&str, Option<&Entry>)> = gone.chain(yielded).collect();
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let mut compared: Vec<BoxFuture<'_, _>> = Vec::with_capacity(keys.len());
            for (key, entry) in keys {
                compared.push(self.key(object, key, *entry).boxed());
            }
            for change in join_all(compared).await {
                match change {
                    Ok(change) => previewed.extend(change),
                    Err(Refused::Conflict(why)) => return Err(why),
                    Err(Refused::Ledger(error)) => return Err(text(error)),
                }
            }
        }
        Ok(())
    }

    /// What would change in a Redis key, if anything.
    async fn key(
        &self,
        object: &str,
        key: &str,
        entry: Option<&Entry>,
    ) -> Result<Option<Change>, Refused> {
        let ledger = self.pipeline.ledger();
        // The semaphore is never closed.
        let mut _place = self.values.acquire().await.ok();
        let mut state = ledger.key_state(object, key, SMALL_VALUE_BYTES).await?;
        if matches!(state.reading, Reading::TooLarge(_)) {
            drop(_place.take());
            _place = self.values.acquire_many(SMALL_VALUES).await.ok();
            state = ledger.key_state(object, key, LARGE_VALUE_BYTES).await?;
        }
        if entry.is_none() && state.owned != Owned::ByItself {
            return Ok(None);
        }
        self.refuse(key, &state)?;
        let may_be_told = state.owned == Owned::ByItself || self.pipeline.settings().read_any;
        Ok(compare(key, &state, entry, self.show_values, may_be_told))
    }

    /// Refuses a key that the object may not write.
    fn refuse(&self, key: &str, state: &KeyState) -> Result<(), Refused> {
        let key = clip(key);
        let why = match &state.owned {
            Owned::ByAnother(owner) => {
                format!(
                    "the Redis key `{key}` belongs to the object `{}`",
                    clip(owner)
                )
            }
            Owned::ByNobody
                if !self.pipeline.settings().redis.adopt_keys
                    && state.reading != Reading::Nothing =>
            {
                format!(
                    "the Redis key `{key}` is there already, and was not written by Redis Sync (ADOPT_KEYS=false)"
                )
            }
            _ => return Ok(()),
        };
        Err(Refused::Conflict(why))
    }
}

/// Why nothing can be said of a key.
enum Refused {
    Conflict(String),
    Ledger(LedgerError),
}

impl From<LedgerError> for Refused {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl Previewed {
    fn unchanged(key: String) -> Self {
        Self {
            key,
            outcome: Outcome::Unchanged,
            error: None,
            fails_now: false,
            fuel: None,
            fuel_limit: None,
            time_ms: 0.0,
            changes: Vec::new(),
            left_out: 0,
            changes_bytes: 0,
            keys: Counts::default(),
        }
    }

    /// An object that would fail.
    #[cfg(test)]
    pub(super) fn failed(key: String, why: &str) -> Self {
        Self::unchanged(key).and_fails(why)
    }

    /// It would fail: nothing would change.
    fn and_fails(self, why: &str) -> Self {
        Self {
            outcome: Outcome::Failed,
            error: Some(clip(why).to_owned()),
            changes: Vec::new(),
            left_out: 0,
            keys: Counts::default(),
            ..self
        }
    }

    fn extend(&mut self, change: Option<Change>) {
        let Some(change) = change else {
            return;
        };
        self.outcome = Outcome::Changed;
        self.keys.count(change.change);
        self.changes_bytes += json_size(&change);
        if self.changes_bytes > MAX_CHANGES_BYTES {
            self.left_out += 1;
        } else {
            self.changes.push(change);
        }
    }
}
