//! Whether Redis holds what was written, by digests that a script computes: no value travels.

use super::call::{Call, DIGEST};
use super::intact::turns;
use super::record::Record;
use super::slot::Slot;
use super::{Ledger, LedgerError};
use crate::entry::MAX_ELEMENTS;
use crate::entry::content::{self, Content, Recorded};
use futures::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, HashMap};

/// Keys that a script is told of at a time.
const KEYS_AT_ONCE: usize = 500;

/// Elements that a script goes through, fewer where they are large: Redis serves nobody else meanwhile, for about 5 ms.
const ELEMENTS_AT_ONCE: usize = 2000;

/// Hash slots of a cluster that are gone through at a time.
const SLOTS_AT_ONCE: usize = 64;

/// How often a key is gone through again whose table was resized meanwhile.
const AGAIN: u32 = 3;

/// What the script says of a key: its type, whether it expires, its length, how many elements were
/// gone through, and the three sums of their hashes.
type Piece = (String, u64, u64, u64, u64, u64, u64);

/// A key that is being gone through.
#[derive(Default)]
struct Counted {
    content: Content,
    /// Elements that were gone through.
    visited: u64,
}

impl Counted {
    fn add(&mut self, (kind, expires, length, visited, first, second, third): Piece) {
        let content = &mut self.content;
        content.kind = kind;
        content.expires = expires == 1;
        content.length = length;
        content.add_sums([first, second, third]);
        self.visited += visited;
    }

    /// Whether each element was gone through once. A text is gone through in pieces.
    fn is_exact(&self) -> bool {
        self.content.kind == "string" || self.visited == self.content.length
    }
}

impl Ledger {
    /// Whether Redis holds what each of these objects has written, as their records say.
    pub async fn holds(&self, records: &[(&str, &Record)]) -> Result<Vec<bool>, LedgerError> {
        let mut holds = Vec::with_capacity(records.len());
        for now in turns(records) {
            holds.extend(self.hold_together(now).await?);
        }
        Ok(holds)
    }

    async fn hold_together(&self, records: &[(&str, &Record)]) -> Result<Vec<bool>, LedgerError> {
        let lists = self.key_lists(records).await?;
        let contents = self.contents(lists.concat()).await?;
        let holds = records.iter().zip(&lists).map(|((_, record), keys)| {
            let of_keys = keys.iter().map(|key| {
                let content = contents.get(key.as_str()).cloned();
                (key.as_str(), content.unwrap_or_default())
            });
            let digest = content::digest(&of_keys.collect());
            let recorded = record.digest.as_deref().and_then(Recorded::read);
            recorded.is_some_and(|recorded| recorded.content == digest)
        });
        Ok(holds.collect())
    }

    /// What these Redis keys hold.
    async fn contents(&self, keys: Vec<String>) -> Result<HashMap<String, Content>, LedgerError> {
        let mut by_slot: BTreeMap<Option<Slot>, Vec<String>> = BTreeMap::new();
        for key in keys {
            let slot = self.cluster.then(|| Slot::of(&key));
            by_slot.entry(slot).or_default().push(key);
        }
        let each = by_slot
            .into_values()
            .map(|keys| self.contents_of_slot(keys));
        let each = futures::stream::iter(each).buffer_unordered(SLOTS_AT_ONCE);
        let all: Vec<Vec<(String, Content)>> = each.try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    async fn contents_of_slot(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Content)>, LedgerError> {
        let mut contents = Vec::with_capacity(keys.len());
        let (mut counted, mut place, mut again) = (Counted::default(), "0".to_owned(), 0);
        while let Some(rest) = keys.get(contents.len()..).filter(|rest| !rest.is_empty()) {
            let now = rest.iter().take(KEYS_AT_ONCE);
            let call = now.fold(Call::new(&DIGEST), |call, key| call.key(key.as_str()));
            let call = call
                .argument(place)
                .argument(ELEMENTS_AT_ONCE.to_string())
                .argument(MAX_ELEMENTS.to_string());
            let (pieces, next): (Vec<Piece>, String) = self.call(&call).await?;
            if pieces.is_empty() {
                return Err(self.link.refused("a script went through nothing"));
            }
            place = next;
            let last = pieces.len() - 1;
            for (number, (piece, key)) in pieces.into_iter().zip(rest).enumerate() {
                counted.add(piece);
                if number == last && place != "0" {
                    break;
                }
                let done = std::mem::take(&mut counted);
                if !done.is_exact() && again < AGAIN {
                    (again, place) = (again + 1, "0".to_owned());
                    break;
                }
                again = 0;
                contents.push((key.clone(), done.content));
            }
        }
        Ok(contents)
    }
}
