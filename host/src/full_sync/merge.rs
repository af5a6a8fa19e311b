//! The listing joined with the index: every object that is in the bucket, and every one that has a
//! record and is not.
//!
//! Both are in the order of the keys' bytes, so a page of the listing and the stretch of the index
//! that belongs to it are all that is in memory. An object that is in the index and not in the
//! listing is gone, or came after the page was read; either way it is to be read under a ticket. So a
//! page may be read ahead: what counts is that records are looked up after it.

use super::span::Span;
use crate::invocation;
use crate::ledger::{Ledger, Start};
use crate::pipeline::{ChangeError, Rerun};
use crate::settings::Settings;
use crate::store::{Listed, Page, Store, StoreError};
use std::collections::BTreeSet;
use tokio::task::JoinHandle;

/// Keys of the index that are read together.
const INDEXED_AT_ONCE: usize = 1000;

/// Some objects of the same kind.
pub(super) enum Objects {
    /// They are in the bucket.
    Present(Vec<Listed>),
    /// They have a record, and the listing does not show them.
    Missing(Vec<String>),
    /// They are in the bucket, and not in the index although they have just been gone through: Redis
    /// has lost that entry.
    Unindexed(Vec<String>),
}

/// Objects of a page that are handled before the index is read up to there, where each is run again: a
/// sync without enough time for a page would never get on.
const FORCED_AT_ONCE: usize = 100;

/// Reads the listing and the index side by side.
pub(super) struct Merge<'a> {
    store: &'a Store,
    ledger: &'a Ledger,
    settings: &'a Settings,
    span: &'a Span,
    /// Objects that are handed out together, at the most.
    at_once: usize,
    /// Up to where both have been read.
    place: Start,
    next: Next,
    /// The next page of the listing, which S3 makes while this one is gone through.
    ahead: Option<JoinHandle<Result<Page, StoreError>>>,
}

/// What is to be read next.
enum Next {
    /// This page of the listing; the first without a token.
    Page(Option<String>),
    /// Objects of a page that was read.
    Listed(Rest),
    /// More of the index, for some of the listing.
    Index(Stretch),
    /// What the index did not have of them, and after that something else.
    Unindexed(Vec<String>, Box<Self>),
    /// Nothing.
    End,
}

/// What is left of a page of the listing.
struct Rest {
    objects: Vec<Listed>,
    /// The page's last key, whatever object that is.
    last: Option<String>,
    /// The listing's next page.
    token: Option<String>,
}

/// Some of the listing, which the index is compared with.
struct Stretch {
    /// The keys it has, without those that the index turned out to have.
    keys: BTreeSet<String>,
    /// Where the index is to be read next.
    from: Start,
    /// The last key that the index is read to; `None` reads it to the end of the span.
    last: Option<String>,
    /// The last key of the listing that has been handed out.
    listed: Option<String>,
    /// What comes after it.
    then: Box<Next>,
}

/// Nothing is read for a sync that has ended.
impl Drop for Merge<'_> {
    fn drop(&mut self) {
        if let Some(page) = &self.ahead {
            page.abort();
        }
    }
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        store: &'a Store,
        ledger: &'a Ledger,
        settings: &'a Settings,
        span: &'a Span,
        rerun: Rerun,
    ) -> Self {
        Self {
            store,
            ledger,
            settings,
            span,
            at_once: match rerun {
                Rerun::Always => FORCED_AT_ONCE,
                Rerun::IfChanged => usize::MAX,
            },
            place: match span.begins_after() {
                Some(key) => Start::After(key.to_owned()),
                None => Start::At(span.prefix().to_owned()),
            },
            next: Next::Page(None),
            ahead: None,
        }
    }

    /// Up to where everything has been handed out.
    pub(super) fn place(&self) -> &Start {
        &self.place
    }

    /// Some more objects, possibly none; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Objects>, ChangeError> {
        match std::mem::replace(&mut self.next, Next::End) {
            Next::Page(token) => self.read_page(token).await.map(Some),
            Next::Listed(rest) => Ok(Some(self.hand_out(rest))),
            Next::Index(stretch) => self.read_index(stretch).await.map(Some),
            Next::Unindexed(keys, then) => {
                self.next = *then;
                Ok(Some(Objects::Unindexed(keys)))
            }
            Next::End => Ok(None),
        }
    }

    async fn read_page(&mut self, token: Option<String>) -> Result<Objects, ChangeError> {
        let ahead = match &mut self.ahead {
            // A panic there is met here as well, where it is told.
            Some(page) => page.await.ok(),
            None => None,
        };
        self.ahead = None;
        let page = match ahead {
            Some(page) => page?,
            None => self.list(token).await?,
        };
        // The last page ends where the span does; a span of one object is over with its first page.
        let token = page.next.filter(|_| !self.span.is_exact());
        self.ahead = token
            .clone()
            .map(|token| invocation::spawn(self.list(Some(token))));
        let last = page.objects.last().map(|object| object.key.clone());
        let listed = page
            .objects
            .into_iter()
            .filter(|object| self.span.has(&object.key) && self.settings.is_config(&object.key));
        Ok(self.hand_out(Rest {
            objects: listed.collect(),
            last,
            token,
        }))
    }

    /// A page of the listing.
    fn list(
        &self,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send + 'static {
        let (store, prefix) = (self.store.clone(), self.span.prefix().to_owned());
        let after = self.span.begins_after().map(str::to_owned);
        async move { store.list_after(&prefix, after.as_deref(), token).await }
    }

    /// As many objects as are handed out together; then the index is read up to there.
    fn hand_out(&mut self, rest: Rest) -> Objects {
        let Rest {
            objects: mut listed,
            last,
            token,
        } = rest;
        let objects = listed.split_off(listed.len().min(self.at_once));
        let (last, then) = match (token, last) {
            (token, last) if !objects.is_empty() => {
                let rest = Rest {
                    objects,
                    last,
                    token,
                };
                let last = listed.last().map(|object| object.key.clone());
                (last, Next::Listed(rest))
            }
            // An empty page: what is missing before the next one shows up with it.
            (Some(token), None) => {
                self.next = Next::Page(Some(token));
                return Objects::Present(listed);
            }
            (Some(token), last) => (last, Next::Page(Some(token))),
            (None, _) => (None, Next::End),
        };
        self.next = Next::Index(Stretch {
            keys: listed.iter().map(|object| object.key.clone()).collect(),
            from: self.place.clone(),
            last,
            listed: listed.last().map(|object| object.key.clone()),
            then: Box::new(then),
        });
        Objects::Present(listed)
    }

    async fn read_index(&mut self, mut stretch: Stretch) -> Result<Objects, ChangeError> {
        let indexed = self
            .ledger
            .indexed(&stretch.from, stretch.last.as_deref(), INDEXED_AT_ONCE)
            .await?;
        let read = indexed.len();
        let mut within = indexed;
        within.retain(|key| self.span.has(key));
        let ended = within.len() < read || read < INDEXED_AT_ONCE;
        let furthest = within.last().cloned();
        let mut missing = within;
        missing.retain(|key| !stretch.keys.remove(key));
        if let Some(last) = furthest.clone().filter(|_| !ended) {
            stretch.from = Start::After(last);
            self.place = stretch.from.clone();
            self.next = Next::Index(stretch);
            return Ok(Objects::Missing(missing));
        }
        if let Some(last) = stretch.last.or(stretch.listed.max(furthest)) {
            self.place = Start::After(last);
        }
        let unindexed = Vec::from_iter(stretch.keys);
        self.next = if unindexed.is_empty() {
            *stretch.then
        } else {
            Next::Unindexed(unindexed, stretch.then)
        };
        Ok(Objects::Missing(missing))
    }
}
