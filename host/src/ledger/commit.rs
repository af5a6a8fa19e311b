//! Committing what objects yield.

use super::answer::{Answer, Reply};
use super::record::{Ticket, milliseconds_now};
use super::request::{Manner, Part, Share};
use super::stage::Staged;
use super::{Ledger, LedgerError};
use crate::entry::{Entry, EntrySet};
use std::collections::BTreeMap;

/// How often a commit is repeated because the set of keys concerned has changed meanwhile.
const ATTEMPTS: u32 = 20;

/// What a proposal was made from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The object is in the bucket.
    Object {
        /// Its entity tag.
        etag: String,
        /// Its version, where the bucket is versioned.
        version_id: Option<String>,
        /// Milliseconds since the Unix epoch.
        last_modified: u64,
        /// Whatever decided the result.
        fingerprint: String,
        /// What of that is not the object's identity; see [`Record::basis`](super::Record::basis).
        basis: String,
        /// Names and digests of the plugins, in order.
        plugins: Vec<(String, String)>,
    },
    /// The object is not in the bucket.
    Gone,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub enum Write {
    /// These entries.
    Entries(EntrySet),
    /// Nothing: what the record says is still right, as long as it says the same.
    Unchanged,
}

/// What one object is to be. A ticket is for one proposal: who prepares the object anew takes a new
/// one.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The object's key.
    pub key: String,
    /// The ticket taken before anything was read.
    pub ticket: Ticket,
    /// What it was made from.
    pub source: Source,
    /// What it yields.
    pub write: Write,
}

/// What became of proposals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They hold now.
    Committed,
    /// A later ticket of that proposal has committed.
    Superseded(usize),
    /// The ticket of that proposal does not count any more: Redis has lost the object's record, or
    /// (on a cluster) a later one is at it. What is read under a new ticket may be committed.
    Stale(usize),
    /// That proposal says [`Write::Unchanged`], but its record or its keys have changed.
    Changed(usize),
    /// That proposal claims a key that is not free.
    Conflict {
        /// The proposal.
        proposal: usize,
        /// The Redis key.
        redis_key: String,
        /// Who has it.
        taken_by: TakenBy,
    },
}

/// Who has a Redis key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// An object of this bucket, by its key.
    Object(String),
    /// An object of another bucket, as `bucket/key`.
    OtherBucket(String),
    /// Somebody else than Redis Sync.
    Stranger,
}

impl Ledger {
    /// Commits all of `proposals` or none; on a cluster that holds for each hash slot. Safe to
    /// repeat.
    pub async fn commit(&self, proposals: &[Proposal]) -> Result<Verdict, LedgerError> {
        let mut plans = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            plans.push(self.plan(proposal).await?);
        }
        for _ in 0..ATTEMPTS {
            let staged = self.stage(proposals).await?;
            let verdict = if self.cluster {
                self.commit_spread(&plans, &staged).await?
            } else {
                self.apply(self.whole(&plans), &self.manner(false), &staged)
                    .await?
            };
            if let Some(verdict) = verdict {
                return Ok(verdict);
            }
        }
        let _ = contended(proposals.iter());
        Ok(Verdict::Stale(0))
    }

    pub(super) fn manner(&self, check: bool) -> Manner<'_> {
        Manner {
            adopt: self.adopt_keys,
            check,
            channel: self.changes_channel.as_deref(),
            tombstone: self.tombstone,
        }
    }

    async fn plan<'a>(&self, proposal: &'a Proposal) -> Result<Plan<'a>, LedgerError> {
        Ok(match &proposal.write {
            Write::Entries(set) => Plan {
                proposal,
                keys: set
                    .entries()
                    .iter()
                    .map(|entry| entry.key.clone())
                    .collect(),
                digest: set.digest(),
            },
            Write::Unchanged => Plan {
                proposal,
                keys: match &proposal.ticket.record.keys {
                    Some(keys) => keys.clone(),
                    None => self.written_keys(&proposal.key).await?,
                },
                digest: proposal.ticket.record.digest.clone().unwrap_or_default(),
            },
        })
    }

    /// Everything in one part.
    fn whole<'a>(&self, plans: &'a [Plan<'a>]) -> Part<'a> {
        let share = |plan: &'a Plan<'a>| Share {
            proposal: plan.proposal,
            record: self.names.record(&plan.proposal.key),
            digest: &plan.digest,
            keys: plan.keys.iter().map(String::as_str).collect(),
            entries: plan.writes().then(|| plan.entries().iter().collect()),
        };
        let recorded = plans
            .iter()
            .flat_map(|plan| plan.proposal.ticket.record.keys.iter().flatten());
        Part {
            owners: self.names.owners(None),
            index: Some(self.names.index("")),
            shares: plans.iter().map(share).collect(),
            undeclared: recorded.cloned().collect(),
        }
    }

    /// Calls the script until it knows all keys concerned; `None` where staged values are gone.
    pub(super) async fn apply(
        &self,
        mut part: Part<'_>,
        manner: &Manner<'_>,
        staged: &BTreeMap<String, Staged>,
    ) -> Result<Option<Verdict>, LedgerError> {
        for _ in 0..ATTEMPTS {
            let call = &part.call(&self.names, manner, staged);
            let answer: Vec<Answer> = self.call(call).await?;
            match Reply::read(&answer, &self.names) {
                Reply::Verdict(verdict) => return Ok(Some(verdict)),
                Reply::Unstaged => return Ok(None),
                Reply::Undeclared(more) => part.undeclared.extend(more),
            }
        }
        Err(contended(part.shares.iter().map(|share| share.proposal)))
    }
}

fn contended<'a>(proposals: impl Iterator<Item = &'a Proposal>) -> LedgerError {
    let keys: Vec<&str> = proposals.map(|proposal| proposal.key.as_str()).collect();
    LedgerError::Contended(keys.join("`, `"))
}

/// What a proposal means for Redis.
pub(super) struct Plan<'a> {
    pub(super) proposal: &'a Proposal,
    pub(super) keys: Vec<String>,
    pub(super) digest: String,
}

impl<'a> Plan<'a> {
    /// Whether entries are to be written.
    pub(super) fn writes(&self) -> bool {
        matches!(self.proposal.write, Write::Entries(_))
    }

    /// Those entries.
    pub(super) fn entries(&self) -> &'a [Entry] {
        match &self.proposal.write {
            Write::Entries(set) => set.entries(),
            Write::Unchanged => &[],
        }
    }
}

impl Source {
    /// Whether the object is in the bucket.
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Object { .. })
    }

    /// The record's fields, name and value in turn.
    pub(super) fn fields(&self) -> Vec<String> {
        let now = milliseconds_now().to_string();
        let pairs: Vec<(&str, String)> = match self {
            Self::Gone => {
                let emptied = [
                    "fingerprint",
                    "basis",
                    "etag",
                    "version_id",
                    "last_modified",
                ];
                let pairs = emptied.map(|name| (name, String::new())).into_iter();
                pairs
                    .chain([("plugins", "[]".to_owned()), ("written_at", now)])
                    .collect()
            }
            Self::Object {
                etag,
                version_id,
                last_modified,
                fingerprint,
                basis,
                plugins,
            } => {
                let plugins: Vec<_> = plugins
                    .iter()
                    .map(|(name, digest)| serde_json::json!({"name": name, "sha256": digest}))
                    .collect();
                vec![
                    ("fingerprint", fingerprint.clone()),
                    ("basis", basis.clone()),
                    ("etag", etag.clone()),
                    ("version_id", version_id.clone().unwrap_or_default()),
                    ("last_modified", last_modified.to_string()),
                    ("plugins", serde_json::Value::from(plugins).to_string()),
                    ("written_at", now),
                ]
            }
        };
        pairs
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}
