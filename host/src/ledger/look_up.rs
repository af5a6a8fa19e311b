//! Reading records without taking a ticket, and noting in one why the object failed.

use super::call::{Call, FAIL};
use super::names::Names;
use super::owner::Owner;
use super::record::fields::{
    EARLIER, FIELDS, Fields, KEY_FIELDS, KEYS, KEYS_SPREAD, KeyFields, Newer, SHORT_LIST, keys,
};
use super::record::{Record, fields, milliseconds_now};
use super::{Ledger, LedgerError, PluginUsed};
use crate::event::Author;
use redis::{FromRedisValue, cmd};
use serde::Serialize;

/// Bytes of an error that are recorded.
const MAX_REASON_BYTES: usize = 2000;

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
    /// Who has put the object, where its event has told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The address that the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// Names and digests of the plugins, in order; none where the object was stored as it is.
    pub plugins: Vec<PluginTold>,
    /// Milliseconds since the Unix epoch.
    pub written_at: Option<u64>,
}

/// A plugin, and who has uploaded it.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct PluginTold {
    /// Its name and digest.
    #[serde(flatten)]
    pub used: PluginUsed,
    /// Who has uploaded it, where its event has told.
    #[serde(flatten)]
    pub upload: Option<Author>,
}

impl Ledger {
    /// The records of these objects, in their order, without their keys.
    pub async fn records(&self, keys: &[String]) -> Result<Vec<Record>, LedgerError> {
        let names: Vec<String> = keys.iter().map(|key| self.names.record(key)).collect();
        let newer: Vec<Newer> = self.fields_of(&names, &FIELDS[..EARLIER]).await?;
        let mut fields: Vec<Fields> = newer.into_iter().map(fields::widen).collect();
        // What earlier versions have written is asked for where there is something of theirs.
        self.ask_again(&names, &FIELDS, &mut fields, fields::is_earlier)
            .await?;
        let sizes = names.iter().map(|name| {
            let mut command = cmd("HSTRLEN");
            command.arg(name).arg(KEYS);
            command
        });
        let sizes: Vec<usize> = self.send_each(sizes.collect()).await?;
        let record = |(fields, first): (Fields, usize)| Record {
            keys_bytes: first.max(KEYS_SPREAD),
            ..Record::decode(fields, None)
        };
        Ok(fields.into_iter().zip(sizes).map(record).collect())
    }

    /// These fields of each of these hashes.
    async fn fields_of<T: FromRedisValue>(
        &self,
        names: &[String],
        fields: &[&str],
    ) -> Result<Vec<T>, LedgerError> {
        let commands = names.iter().map(|name| {
            let mut command = cmd("HMGET");
            command.arg(name).arg(fields);
            command
        });
        self.send_each(commands.collect()).await
    }

    /// Reads all fields of those hashes for which the fields read so far are not enough.
    async fn ask_again<T: FromRedisValue>(
        &self,
        names: &[String],
        all: &[&str],
        known: &mut [T],
        is_not_enough: fn(&T) -> bool,
    ) -> Result<(), LedgerError> {
        let (names, known): (Vec<String>, Vec<&mut T>) = names
            .iter()
            .cloned()
            .zip(known)
            .filter(|(_, known)| is_not_enough(known))
            .unzip();
        for (known, all) in known.into_iter().zip(self.fields_of(&names, all).await?) {
            *known = all;
        }
        Ok(())
    }

    /// The Redis keys that each of these records lists, in their order. The records are of this version:
    /// they have a digest.
    pub(super) async fn key_lists(
        &self,
        records: &[(&str, &Record)],
    ) -> Result<Vec<Vec<String>>, LedgerError> {
        let names = records.iter().map(|(key, _)| self.names.record(key));
        let names: Vec<String> = names.collect();
        let mut lists: Vec<KeyFields> = self
            .fields_of::<[Option<Vec<u8>>; SHORT_LIST]>(&names, &KEY_FIELDS[1..=SHORT_LIST])
            .await?
            .into_iter()
            .map(fields::short_list)
            .collect();
        self.ask_again(&names, &KEY_FIELDS, &mut lists, fields::may_go_on)
            .await?;
        Ok(lists.into_iter().map(keys).collect())
    }

    /// All Redis keys that the object's record lists.
    pub async fn written_keys(&self, key: &str) -> Result<Vec<String>, LedgerError> {
        self.keys_listed(&self.names.record(key)).await
    }

    /// The same by the record's name.
    pub(super) async fn keys_listed(&self, record: &str) -> Result<Vec<String>, LedgerError> {
        let fields: KeyFields = self.send(cmd("HMGET").arg(record).arg(&KEY_FIELDS)).await?;
        Ok(keys(fields))
    }

    /// Who wrote a Redis key; `None` where Redis Sync did not.
    pub async fn explain(&self, redis_key: &str) -> Result<Option<Explanation>, LedgerError> {
        let owners = self.names.owners_of(redis_key);
        let owner: Option<String> = self.send(cmd("HGET").arg(owners).arg(redis_key)).await?;
        let Some(Owner { object, .. }) = owner.as_deref().and_then(Owner::of_value) else {
            return Ok(None);
        };
        let record = self.names.record_of(&object);
        let fields: Fields = self.send(cmd("HMGET").arg(record).arg(&FIELDS)).await?;
        let record = Record::decode(fields, None);
        let (principal, source_ip) = match record.author {
            Some(author) => (Some(author.principal), author.source_ip),
            None => (None, None),
        };
        let mut plugins = Vec::with_capacity(record.plugins.len());
        for used in record.plugins {
            let upload = self.upload(&used).await?;
            plugins.push(PluginTold { used, upload });
        }
        Ok(Some(Explanation {
            principal,
            source_ip,
            key: redis_key.to_owned(),
            object: Names::told(&object),
            etag: record.etag,
            version_id: record.version_id,
            plugins,
            written_at: record.written_at,
        }))
    }

    /// Records why an attempt failed, and on which basis, where it came that far. The entries stay as
    /// they are.
    pub async fn record_failure(
        &self,
        key: &str,
        ticket: u64,
        reason: &str,
        basis: Option<&str>,
    ) -> Result<(), LedgerError> {
        let reason = crate::text::clip_to(reason, MAX_REASON_BYTES);
        let call = Call::new(&FAIL)
            .key(self.names.index(key))
            .key(self.names.record(key))
            .argument(ticket.to_string())
            .argument(key)
            .argument(reason)
            .argument(milliseconds_now().to_string())
            .argument(basis.unwrap_or_default());
        self.call(&call).await
    }
}
