//! The listing joined with the index: every object that is in the bucket, and every one that has a
//! record and is not.
//!
//! Both are in the order of the keys' bytes, so a page of the listing and the stretch of the index
//! that belongs to it are all that is in memory. An object that is in the index and not in the
//! listing is gone, or came after the page was read; either way it is to be read under a ticket.

use super::span::Span;
use crate::ledger::{Ledger, Start};
use crate::pipeline::ChangeError;
use crate::settings::Settings;
use crate::store::{Listed, Store};
use std::collections::BTreeSet;

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

/// A walk through the listing and the index, side by side.
pub(super) struct Merge<'a> {
    store: &'a Store,
    ledger: &'a Ledger,
    settings: &'a Settings,
    span: &'a Span,
    /// Up to where both have been read.
    place: Start,
    next: Next,
}

/// What is to be read next.
enum Next {
    /// This page of the listing; the first without a token.
    Page(Option<String>),
    /// More of the index, for a page that was read.
    Index(Page),
    /// What the index did not have of a page, and after that something else.
    Unindexed(Vec<String>, Box<Self>),
    /// Nothing.
    End,
}

/// A page of the listing that the index is compared with.
struct Page {
    /// The keys it shows, without those that the index turned out to have.
    keys: BTreeSet<String>,
    /// Where the index is to be read next.
    from: Start,
    /// The last key that the index is read to; `None` reads it to the end of the span.
    last: Option<String>,
    /// The listing's next page.
    token: Option<String>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        store: &'a Store,
        ledger: &'a Ledger,
        settings: &'a Settings,
        span: &'a Span,
    ) -> Self {
        Self {
            store,
            ledger,
            settings,
            span,
            place: match span.begins_after() {
                Some(key) => Start::After(key.to_owned()),
                None => Start::At(span.prefix().to_owned()),
            },
            next: Next::Page(None),
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
            Next::Index(page) => self.read_index(page).await.map(Some),
            Next::Unindexed(keys, then) => {
                self.next = *then;
                Ok(Some(Objects::Unindexed(keys)))
            }
            Next::End => Ok(None),
        }
    }

    async fn read_page(&mut self, token: Option<String>) -> Result<Objects, ChangeError> {
        let (prefix, after) = (self.span.prefix(), self.span.begins_after());
        let page = self.store.list_after(prefix, after, token).await?;
        let last = page.objects.last().map(|object| object.key.clone());
        let listed: Vec<Listed> = page
            .objects
            .into_iter()
            .filter(|object| self.span.has(&object.key) && self.settings.is_config(&object.key))
            .collect();
        // The last page ends where the span does; a span of one object is over with its first page.
        let token = page.next.filter(|_| !self.span.is_exact());
        self.next = match (token, last) {
            // An empty page: what is missing before the next one shows up with it.
            (Some(token), None) => Next::Page(Some(token)),
            (token, last) => Next::Index(Page {
                keys: listed.iter().map(|object| object.key.clone()).collect(),
                from: self.place.clone(),
                last: last.filter(|_| token.is_some()),
                token,
            }),
        };
        Ok(Objects::Present(listed))
    }

    async fn read_index(&mut self, mut page: Page) -> Result<Objects, ChangeError> {
        let indexed = self
            .ledger
            .indexed(&page.from, page.last.as_deref(), INDEXED_AT_ONCE)
            .await?;
        let read = indexed.len();
        let mut within = indexed;
        within.retain(|key| self.span.has(key));
        let ended = within.len() < read || read < INDEXED_AT_ONCE;
        if let Some(last) = within.last().filter(|_| !ended) {
            page.from = Start::After(last.clone());
            self.place = page.from.clone();
        }
        let mut missing = within;
        missing.retain(|key| !page.keys.remove(key));
        if !ended {
            self.next = Next::Index(page);
            return Ok(Objects::Missing(missing));
        }
        let then = match (page.token, page.last) {
            (Some(token), Some(last)) => {
                self.place = Start::After(last);
                Next::Page(Some(token))
            }
            _ => Next::End,
        };
        let unindexed = Vec::from_iter(page.keys);
        self.next = if unindexed.is_empty() {
            then
        } else {
            Next::Unindexed(unindexed, Box::new(then))
        };
        Ok(Objects::Missing(missing))
    }
}
