//! The objects that a preview tries: those of the listing that go through the plugin, or some of them.

use crate::event::PreviewRequest;
use crate::fingerprint::Fingerprint;
use crate::pipeline::{ChangeError, Pipeline};
use crate::route::PluginList;
use std::collections::{BTreeMap, VecDeque};

/// Objects of a sample that are tried together.
const SAMPLED_AT_ONCE: usize = 1000;

/// The largest sample.
const MAX_SAMPLE: usize = 10_000;

/// Goes through objects in the order of their keys.
pub(super) struct Objects<'a> {
    pipeline: &'a Pipeline,
    request: &'a PreviewRequest,
    plugins: &'a PluginList,
    plugin: &'a str,
    next: Next,
}

/// Some objects.
pub(super) struct Batch {
    pub(super) keys: Vec<String>,
    /// The last key up to which everything has been looked at.
    pub(super) last: Option<String>,
}

/// Where it goes on.
enum Next {
    /// With this page of the listing; the first without a token.
    Page(Option<String>),
    /// With these.
    Chosen(VecDeque<String>),
    /// Nowhere.
    End,
}

impl<'a> Objects<'a> {
    pub(super) fn new(
        pipeline: &'a Pipeline,
        request: &'a PreviewRequest,
        plugins: &'a PluginList,
        plugin: &'a str,
    ) -> Self {
        Self {
            pipeline,
            request,
            plugins,
            plugin,
            next: Next::Page(None),
        }
    }

    /// Some more objects, possibly none; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, ChangeError> {
        if let (Some(number), Next::Page(_)) = (self.request.sample, &self.next) {
            self.next = Next::Chosen(self.chosen(number.min(MAX_SAMPLE)).await?);
        }
        match std::mem::replace(&mut self.next, Next::End) {
            Next::Page(token) => {
                let after = Some(self.request.after.as_str()).filter(|after| !after.is_empty());
                let (batch, token) = self.page(after, token).await?;
                if token.is_some() {
                    self.next = Next::Page(token);
                }
                Ok(Some(batch))
            }
            Next::Chosen(mut keys) if !keys.is_empty() => {
                let rest = keys.split_off(keys.len().min(SAMPLED_AT_ONCE));
                self.next = Next::Chosen(rest);
                let last = keys.back().cloned();
                let keys = keys.into();
                Ok(Some(Batch { keys, last }))
            }
            Next::Chosen(_) | Next::End => Ok(None),
        }
    }

    /// Those of a page of the listing, and the next page.
    async fn page(
        &self,
        after: Option<&str>,
        token: Option<String>,
    ) -> Result<(Batch, Option<String>), ChangeError> {
        let Self {
            pipeline,
            plugins,
            plugin,
            ..
        } = self;
        let store = pipeline.store();
        let page = store.list_after(&self.request.prefix, after, token).await?;
        let last = page.objects.last().map(|object| object.key.clone());
        let keys = page.objects.into_iter().map(|object| object.key);
        let settings = pipeline.settings();
        let keys = keys.filter(|key| settings.is_config(key) && plugins.is_taken_by(key, plugin));
        let keys = keys.collect();
        Ok((Batch { keys, last }, page.next))
    }

    /// So many of all objects: those whose digests come first, which are always the same ones. Of them
    /// those that are left to be tried.
    async fn chosen(&self, number: usize) -> Result<VecDeque<String>, ChangeError> {
        let (mut chosen, mut token) = (BTreeMap::new(), None);
        loop {
            let (batch, next) = self.page(None, token).await?;
            for key in batch.keys {
                chosen.insert(Fingerprint::new().part(&key).hex(), key);
                if chosen.len() > number {
                    chosen.pop_last();
                }
            }
            token = next;
            if token.is_none() {
                break;
            }
        }
        let mut keys: Vec<String> = chosen.into_values().collect();
        keys.retain(|key| *key > self.request.after);
        keys.sort_unstable();
        Ok(keys.into())
    }
}
