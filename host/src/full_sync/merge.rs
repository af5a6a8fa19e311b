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
use crate::pipeline::ChangeError;
use crate::settings::Settings;
use crate::store::{Listed, Page, Store, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

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

/// Objects of a page that are handled before the index is read up to there, where each is run again, at the
/// most.
const FORCED_AT_ONCE: usize = 100;

/// Where so many of them take longer than this, fewer are handled together.
const FORCED_TIME: Duration = Duration::from_secs(1);

/// Reads the listing and the index side by side.
pub(super) struct Merge<'a> {
    store: &'a Store,
    ledger: &'a Ledger,
    settings: &'a Settings,
    span: &'a Span,
    /// Whether what is handed out takes its time, also where nothing has changed.
    in_parts: bool,
    /// Objects that are handed out together, at the most.
    at_once: usize,
    /// Up to where both have been read.
    place: Start,
    next: Next,
    /// The next page of the listing, which S3 makes while this one is gone through, and for no sync that
    /// has ended.
    ahead: Option<AbortOnDropHandle<Result<Page, StoreError>>>,
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

impl<'a> Merge<'a> {
    pub(super) fn new(
        store: &'a Store,
        ledger: &'a Ledger,
        settings: &'a Settings,
        span: &'a Span,
        in_parts: bool,
    ) -> Self {
        Self {
            store,
            ledger,
            settings,
            span,
            in_parts,
            at_once: match in_parts {
                true => settings.concurrency,
                false => usize::MAX,
            },
            place: match span.begins_after() {
                Some(key) => Start::After(key.to_owned()),
                None => Start::At(span.prefix().to_owned()),
            },
            next: Next::Page(None),
            ahead: None,
        }
    }

    /// Hands out more at a time where what was handed out took no time, as far as there is more, and few again where it
    /// did. A forced sync that has not enough time for all that it is handed at once would never get on: it
    /// begins with them each time.
    pub(super) fn took(&mut self, time: Duration) {
        if self.in_parts {
            self.at_once = match time < FORCED_TIME {
                true => (self.at_once * 2).min(FORCED_AT_ONCE),
                false => self.settings.concurrency,
            };
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
            .map(|token| AbortOnDropHandle::new(invocation::spawn(self.list(Some(token)))));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use redis_sync_local::{Redis, S3, sdk_config};

    /// A bucket of one object, `b`, and an index that has it and a thousand others and a few.
    async fn bucket_and_index() -> (S3, Redis) {
        let (s3, redis) = tokio::try_join!(S3::start("config"), Redis::start()).unwrap();
        s3.put("b", "v");
        let keys = (0..1100).map(|number| format!("a/{number:04}"));
        let scored = keys
            .chain(["b".to_owned()])
            .flat_map(|key| ["0".to_owned(), key]);
        let command: Vec<String> = ["ZADD", "redis-sync:index:config"]
            .into_iter()
            .map(str::to_owned)
            .chain(scored)
            .collect();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        redis.command(&command).await.unwrap();
        (s3, redis)
    }

    fn parts(s3: &S3, redis: &Redis) -> (Store, Ledger, Settings) {
        let settings = settings::tests::read(&[
            ("CONFIG_BUCKET_NAME", "config"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &redis.port().to_string()),
        ]);
        let settings = settings.unwrap();
        let ledger = Ledger::new(&settings.redis, "config").unwrap();
        let store = Store::new(&sdk_config(s3.endpoint()), "config", true);
        (store, ledger, settings)
    }

    /// How often the index was read since the server began.
    async fn reads(redis: &Redis) -> usize {
        let statistics = redis.command(&["INFO", "commandstats"]).await.unwrap();
        let calls = statistics
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_zrangebylex:calls="));
        let calls = calls.and_then(|calls| calls.split_once(','));
        calls.map_or(0, |(calls, _)| calls.parse().unwrap())
    }

    /// A thousand keys at a time, and no more often than that takes.
    #[tokio::test]
    async fn all_that_is_missing_is_handed_out_however_much_and_nothing_else() {
        let (s3, redis) = bucket_and_index().await;
        let (store, ledger, settings) = parts(&s3, &redis);
        for (prefix, all, expected) in [("", 1100, 2), ("a/00", 100, 1), ("b", 0, 1)] {
            let (span, before) = (Span::under(prefix), reads(&redis).await);
            let mut merge = Merge::new(&store, &ledger, &settings, &span, false);
            let mut missing = BTreeSet::new();
            while let Some(objects) = merge.next().await.unwrap() {
                match objects {
                    Objects::Missing(keys) => missing.extend(keys),
                    Objects::Present(listed) => assert!(listed.iter().all(|one| one.key == "b")),
                    Objects::Unindexed(keys) => panic!("{keys:?}"),
                }
            }
            assert_eq!(missing.len(), all, "{prefix}");
            assert!(missing.iter().all(|key| key.starts_with("a/")));
            assert_eq!(reads(&redis).await - before, expected, "{prefix}");
        }
    }

    /// Where each is run again they are handed out in parts: small ones where these take their time.
    #[tokio::test]
    async fn a_forced_sync_is_handed_all_of_a_page() {
        let (s3, redis) = tokio::try_join!(S3::start("config"), Redis::start()).unwrap();
        for number in 0..250 {
            s3.put(&format!("{number:03}"), "v");
        }
        let (store, ledger, settings) = parts(&s3, &redis);
        let span = Span::under("");
        let mut merge = Merge::new(&store, &ledger, &settings, &span, true);
        let mut took = [0, 0, 2].map(Duration::from_secs).into_iter();
        let mut parts = Vec::new();
        while let Some(objects) = merge.next().await.unwrap() {
            if let Objects::Present(listed) = objects {
                parts.push(listed.len());
                merge.took(took.next().unwrap_or_default());
            }
        }
        assert_eq!(parts, [8, 16, 32, 8, 16, 32, 64, 74]);
    }
}
