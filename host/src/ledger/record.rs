//! What is recorded of an object, and the tickets.

use super::mark::Mark;
use super::script::{self, Call, FAIL, TICKET};
use super::{Ledger, LedgerError};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tickets taken in one round trip.
const TICKETS_AT_ONCE: usize = 500;

/// Size in bytes up to which a record's list of keys comes with the ticket. A longer one is
/// fetched when it is needed.
const KEYS_WITH_TICKET: usize = 16 * 1024;

/// Bytes of an error that are recorded.
const MAX_REASON_BYTES: usize = 2000;

/// The right to commit what is read from now on.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The number; the later, the larger.
    pub number: u64,
    /// What the record said when the ticket was taken.
    pub record: Record,
}

/// What was last committed of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub issued: u64,
    pub written: u64,
    pub etag: Option<String>,
    pub last_modified: u64,
    pub error: Option<String>,
    pub error_at: Option<u64>,
    pub keys_size: usize,
    /// Ticket of the last commit; 0 where there was none.
    pub committed: u64,
    /// What decided the result: object, plugins, settings, limits.
    pub fingerprint: Option<String>,
    /// What decided the result, as far as it can change without the object's content: entity tag,
    /// plugins, settings, limits.
    pub basis: Option<String>,
    /// Digest of the entries.
    pub digest: Option<String>,
    /// The Redis keys written, where the list is short.
    pub keys: Option<Vec<String>>,
}

/// Who wrote a Redis key.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Explanation {
    /// The Redis key.
    pub key: String,
    /// The bucket and key of the object.
    pub object: String,
    /// Entity tag of the object.
    pub etag: Option<String>,
    /// Version of the object, where the bucket is versioned.
    pub version_id: Option<String>,
    /// Names and digests of the plugins, in order; none where the object was stored as it is.
    pub plugins: serde_json::Value,
    /// Milliseconds since the Unix epoch.
    pub written_at: Option<u64>,
}

/// An object whose last attempt failed.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Problem {
    /// The object's key.
    pub key: String,
    /// Why.
    pub error: String,
    /// Milliseconds since the Unix epoch.
    pub at: Option<u64>,
}

impl Record {
    pub fn is_settled(&self) -> bool {
        self.committed != 0 && self.issued == self.committed
    }
    pub fn is_live(&self) -> bool {
        self.etag.as_ref().is_some_and(|e| !e.is_empty())
    }
}

impl Ledger {
    /// Takes a ticket for each object. Whatever decides the result must be read after this.
    pub async fn take_tickets(&self, keys: &[String]) -> Result<Vec<Ticket>, LedgerError> {
        let mut tickets = Vec::with_capacity(keys.len());
        for keys in keys.chunks(TICKETS_AT_ONCE) {
            let calls: Vec<Call> = keys.iter().map(|key| self.ticket_call(key)).collect();
            let calls = &calls;
            let answers = self
                .link
                .run(|mut link| async move {
                    script::invoke_all::<TicketAnswer>(calls, &mut link).await
                })
                .await?;
            tickets.extend(answers.into_iter().map(ticket));
        }
        Ok(tickets)
    }

    fn ticket_call(&self, key: &str) -> Call {
        Call::new(&TICKET)
            .key(self.names.record(key))
            .argument(self.tombstone.as_secs().to_string())
            .argument(KEYS_WITH_TICKET.to_string())
    }

    /// Notes why an attempt failed, for `status`. The entries stay as they are.
    pub async fn record_failure(
        &self,
        key: &str,
        ticket: u64,
        reason: &str,
    ) -> Result<(), LedgerError> {
        let call = Call::new(&FAIL)
            .key(self.names.index(key))
            .key(self.names.record(key))
            .argument(ticket.to_string())
            .argument(key)
            .argument(&reason.as_bytes()[..reason.floor_char_boundary(MAX_REASON_BYTES)])
            .argument(milliseconds_now().to_string());
        self.call(&call).await
    }

    /// All Redis keys that the object's record lists.
    pub async fn written_keys(&self, key: &str) -> Result<Vec<String>, LedgerError> {
        let record = &self.names.record(key);
        let keys: Option<String> = self.ask(redis::cmd("HGET").arg(record).arg("keys")).await?;
        Ok(keys.map(|keys| list(&keys)).unwrap_or_default())
    }

    /// Who wrote a Redis key; `None` where Redis Sync did not.
    pub async fn explain(&self, key: &str) -> Result<Option<Explanation>, LedgerError> {
        let owners = &self.names.owners_of(key);
        let noted: Option<String> = self.ask(redis::cmd("HGET").arg(owners).arg(key)).await?;
        let Some(Mark { object, .. }) = noted.as_deref().and_then(Mark::parse) else {
            return Ok(None);
        };
        let record = &self.names.record_of(&object);
        let fields: [Option<String>; 4] = self
            .ask(redis::cmd("HMGET").arg(record).arg(&[
                "etag",
                "version_id",
                "plugins",
                "written_at",
            ]))
            .await?;
        let [etag, version_id, plugins, written_at] = fields;
        Ok(Some(Explanation {
            key: key.to_owned(),
            object,
            etag,
            version_id: version_id.filter(|version| !version.is_empty()),
            plugins: plugins
                .and_then(|plugins| serde_json::from_str(&plugins).ok())
                .unwrap_or_default(),
            written_at: written_at.and_then(|time| time.parse().ok()),
        }))
    }
}

/// Ticket; the record's ticket, fingerprint, basis and digest; its keys.
type TicketAnswer = (
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn ticket((number, committed, fingerprint, basis, digest, keys): TicketAnswer) -> Ticket {
    let number_of = |text: &str| text.parse().unwrap_or(0);
    Ticket {
        number: number_of(&number),
        record: Record {
            committed: committed.as_deref().map_or(0, number_of),
            fingerprint,
            basis,
            digest,
            keys: keys.map(|keys| list(&keys)),
            ..Record::default()
        },
    }
}

/// A list of keys as the commit script writes it.
pub(super) fn list(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

pub(super) fn milliseconds_now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
