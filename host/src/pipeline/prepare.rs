//! From ticket to proposal: read the object, pick the route, have its plugins run.

use super::transform::{Transform, transform_error};
use super::{ChangeError, Pipeline};
use crate::entry::{Entry, EntrySet, Value};
use crate::fingerprint::Fingerprint;
use crate::ledger::{Proposal, Source, Ticket, Write};
use crate::object::Object;
use crate::report::Outcome;
use crate::route::{Resolution, Routes};
use crate::settings::Unmatched;
use crate::store::SizeLimit;

/// Part of every fingerprint: raise it where the host makes other entries of the same object.
const FORMAT: &str = "1";

/// Whether what is recorded may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is unchanged is kept.
    Normal,
    /// Everything is run and written.
    Rewrite,
    /// Nothing is written anywhere; it only shows what would become of the object.
    Preview {
        /// Whether everything is run.
        force: bool,
    },
}

impl Mode {
    /// Whether what is unchanged is kept as it is.
    fn keeps(self) -> bool {
        matches!(self, Self::Normal | Self::Preview { force: false })
    }
}

/// A proposal and what to report of it.
pub(super) struct Prepared {
    pub(super) proposal: Proposal,
    /// What becomes of the object if the proposal holds.
    pub(super) outcome: Outcome,
    pub(super) plugin: Option<String>,
    pub(super) fuel: Option<u64>,
    /// Redis keys of an object that is kept as it is.
    pub(super) kept: usize,
}

impl Pipeline {
    /// Reads whatever decides the result, all of it after the ticket, and works it out.
    pub(super) async fn prepare(
        &self,
        key: &str,
        ticket: Ticket,
        routes: &Routes,
        mode: Mode,
    ) -> Result<Prepared, ChangeError> {
        // What has come to lie under a prefix of ours is no config object any more.
        if !self.settings.is_config(key) {
            return Ok(gone(key, ticket));
        }
        let limit = SizeLimit::of("MAX_OBJECT_BYTES", self.settings.max_object_bytes);
        let Some(object) = self.store.object(key, limit).await? else {
            return Ok(gone(key, ticket));
        };
        let resolution = routes.resolve(key);
        let transform = match &resolution {
            Resolution::Route(route) => Some(self.load(key, route, routes, mode).await?),
            Resolution::Unmatched => None,
            Resolution::Broken(why) => return Err(transform_error(None, None, why.clone())),
        };
        let basis = self.basis(&object.etag, transform.as_ref());
        let fingerprint = fingerprint(&object, &basis);
        let unchanged = ticket.record.fingerprint.as_deref() == Some(&fingerprint)
            && ticket.record.digest.is_some();
        let plugin = transform.as_ref().map(Transform::label);
        let source = Source::Object {
            etag: object.etag.clone(),
            version_id: object.version_id.clone(),
            last_modified: object.last_modified,
            fingerprint,
            basis: basis.clone(),
            plugins: transform
                .iter()
                .flat_map(|transform| &transform.steps)
                .map(|(name, loaded)| ((*name).to_owned(), loaded.digest.to_string()))
                .collect(),
        };
        if unchanged && mode.keeps() {
            return self.keep(key, ticket, source, plugin).await;
        }
        let (entries, fuel) = match &transform {
            Some(transform) => self.run(&object, transform).await?,
            None => (self.unmatched(&object)?, None),
        };
        let same = ticket.record.basis == Some(basis)
            && ticket.record.digest.as_deref() == Some(&entries.digest());
        if same && mode.keeps() {
            // Put again with the same content: what the plugin sees besides it made no difference.
            return Ok(Prepared {
                fuel,
                ..self.keep(key, ticket, source, plugin).await?
            });
        }
        let outcome = if transform.is_none() && self.settings.unmatched == Unmatched::Skip {
            Outcome::Skipped
        } else {
            Outcome::Synced
        };
        let proposal = Proposal {
            key: key.to_owned(),
            ticket,
            source,
            write: Write::Entries(entries),
        };
        Ok(Prepared {
            proposal,
            outcome,
            plugin,
            fuel,
            kept: 0,
        })
    }

    async fn keep(
        &self,
        key: &str,
        ticket: Ticket,
        source: Source,
        plugin: Option<String>,
    ) -> Result<Prepared, ChangeError> {
        let kept = match &ticket.record.keys {
            Some(keys) => keys.len(),
            None => self.ledger.recorded_keys(key).await?.len(),
        };
        let proposal = Proposal {
            key: key.to_owned(),
            ticket,
            source,
            write: Write::Keep,
        };
        Ok(Prepared {
            proposal,
            outcome: Outcome::Unchanged,
            plugin,
            fuel: None,
            kept,
        })
    }

    fn unmatched(&self, object: &Object) -> Result<EntrySet, ChangeError> {
        let entries = match self.settings.unmatched {
            Unmatched::Skip => Vec::new(),
            Unmatched::Store => vec![Entry {
                key: object.key.clone(),
                value: Value::Bytes(object.body.to_vec()),
                ttl_seconds: None,
            }],
        };
        let refuse = |error: crate::entry::EntryError| {
            transform_error(
                None,
                None,
                format!("`{}` cannot be stored as it is: {error}", object.key),
            )
        };
        self.entry_set(entries, None).map_err(refuse)
    }

    pub(super) fn entry_set(
        &self,
        entries: Vec<Entry>,
        ttl_seconds: Option<u64>,
    ) -> Result<EntrySet, crate::entry::EntryError> {
        EntrySet::new(entries, &self.settings.redis.key_prefix, ttl_seconds)
    }

    /// Whatever decides the result, apart from what a plugin sees of the object besides its content.
    pub(super) fn basis(&self, etag: &str, transform: Option<&Transform<'_>>) -> String {
        let all = Fingerprint::new()
            .part(FORMAT)
            .part(etag)
            .part(&self.settings.redis.key_prefix);
        let Some(Transform {
            route,
            steps,
            limits,
        }) = transform
        else {
            return all.part(format!("{:?}", self.settings.unmatched)).hex();
        };
        all.parts(
            steps
                .iter()
                .flat_map(|(name, loaded)| [*name, &*loaded.digest]),
        )
        .parts(
            route
                .settings
                .iter()
                .flat_map(|(name, value)| [name, value]),
        )
        .part(format!("{:?}", route.output))
        .parts(route.keys.iter().flat_map(|globs| &globs.patterns))
        .optional(route.ttl_seconds.map(u64::to_le_bytes))
        .part(format!("{limits:?}"))
        .hex()
    }
}

fn gone(key: &str, ticket: Ticket) -> Prepared {
    let proposal = Proposal {
        key: key.to_owned(),
        ticket,
        source: Source::Gone,
        write: Write::Entries(EntrySet::default()),
    };
    Prepared {
        proposal,
        outcome: Outcome::Deleted,
        plugin: None,
        fuel: None,
        kept: 0,
    }
}

/// Everything of the object that a plugin can see stands for it.
fn fingerprint(object: &Object, basis: &str) -> String {
    Fingerprint::new()
        .part(basis)
        .optional(object.version_id.as_ref())
        .part(object.last_modified.to_le_bytes())
        .optional(object.content_type.as_ref())
        .parts(
            object
                .metadata
                .iter()
                .flat_map(|(name, value)| [name, value]),
        )
        .hex()
}
