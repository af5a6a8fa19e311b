//! Looking up many records at once, without a ticket.

use super::mark::Mark;
use super::record::{Record, list};
use super::script::query_each;
use super::{Ledger, LedgerError, Problem};
use redis::{Cmd, FromRedisValue};

/// Size in bytes of the lists of keys that are held at a time.
const KEYS_AT_ONCE: usize = 1 << 20;

/// Redis keys that are checked in one round trip.
const CHECKS_AT_ONCE: usize = 2000;

/// The fields of a record that are looked up.
const FIELDS: [&str; 8] = [
    "issued",
    "ticket",
    "written",
    "fingerprint",
    "basis",
    "digest",
    "etag",
    "last_modified",
];

/// A record as it was at some moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was last committed. It carries no list of keys.
    pub record: Record,
    /// Whether no ticket is outstanding: the last one issued is the last one committed.
    pub settled: bool,
    /// Entity tag of the object it was committed from; empty where that is gone.
    pub etag: String,
    /// When that object was modified, in milliseconds since the Unix epoch.
    pub last_modified: u64,
    /// The ticket that its entries were written under.
    written: u64,
    /// Size of the list of keys, in bytes.
    keys_size: usize,
}

/// The state of one object, as `status` counts it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Whether Redis holds what some state of it yields.
    pub live: bool,
    /// Its last attempt, if that failed.
    pub problem: Option<Problem>,
}

impl Ledger {
    pub async fn records(&self, keys: &[String]) -> Result<Vec<Record>, LedgerError> {
        let seen = self.look_up(keys).await?;
        let standings = self.standings(keys).await?;
        Ok(seen
            .into_iter()
            .zip(standings)
            .map(|(seen, standing)| Record {
                issued: if seen.settled {
                    seen.record.committed
                } else {
                    seen.record.committed + 1
                },
                written: seen.written,
                etag: Some(seen.etag),
                last_modified: seen.last_modified,
                error_at: standing.problem.as_ref().and_then(|p| p.at),
                error: standing.problem.map(|p| p.error),
                keys_size: seen.keys_size,
                ..seen.record
            })
            .collect())
    }
    pub async fn intact(&self, records: &[(&str, &Record)]) -> Result<Vec<bool>, LedgerError> {
        let seen: Vec<(&str, Seen)> = records
            .iter()
            .map(|(k, r)| {
                (
                    *k,
                    Seen {
                        record: (*r).clone(),
                        settled: true,
                        etag: String::new(),
                        last_modified: 0,
                        written: r.written,
                        keys_size: r.keys_size,
                    },
                )
            })
            .collect();
        let seen: Vec<(&str, &Seen)> = seen.iter().map(|(k, s)| (*k, s)).collect();
        self.intact_old(&seen).await
    }

    /// The records of these objects, in their order. No ticket is taken.
    pub async fn look_up(&self, keys: &[String]) -> Result<Vec<Seen>, LedgerError> {
        let commands = keys.iter().map(|key| {
            let mut command = redis::cmd("HMGET");
            command.arg(self.names.record(key)).arg(&FIELDS);
            command
        });
        let fields: Vec<[Option<String>; 8]> = self.read_each(commands.collect()).await?;
        let commands = keys.iter().map(|key| {
            let mut command = redis::cmd("HSTRLEN");
            command.arg(self.names.record(key)).arg("keys");
            command
        });
        let sizes: Vec<usize> = self.read_each(commands.collect()).await?;
        let seen = |(fields, keys_size)| Seen {
            keys_size,
            ..Seen::of(fields)
        };
        Ok(fields.into_iter().zip(sizes).map(seen).collect())
    }

    /// Whether all Redis keys of each of these records are still there, as its last commit wrote
    /// them: those with a time to live may not be, others may have been evicted, or be older ones
    /// again since a primary failed whose replica had not got them yet.
    pub async fn intact_old(&self, records: &[(&str, &Seen)]) -> Result<Vec<bool>, LedgerError> {
        let mut intact = Vec::with_capacity(records.len());
        let mut rest = records;
        while !rest.is_empty() {
            let (mut size, mut count) = (0, 0);
            for (_, seen) in rest {
                size += seen.keys_size;
                count += 1;
                if size > KEYS_AT_ONCE {
                    break;
                }
            }
            let (now, later) = rest.split_at(count);
            intact.extend(self.intact_together(now).await?);
            rest = later;
        }
        Ok(intact)
    }

    async fn intact_together(&self, records: &[(&str, &Seen)]) -> Result<Vec<bool>, LedgerError> {
        let commands = records.iter().map(|(key, _)| {
            let mut command = redis::cmd("HGET");
            command.arg(self.names.record(key)).arg("keys");
            command
        });
        let lists: Vec<Option<String>> = self.read_each(commands.collect()).await?;
        let checks = records.iter().zip(&lists).enumerate();
        let checks = checks.flat_map(|(place, ((key, seen), keys))| {
            let mark = Mark {
                ticket: seen.written,
                object: self.names.object(key),
            };
            let (mark, keys) = (mark.to_string(), keys.as_deref().map(list));
            let check = move |redis_key| (place, redis_key, mark.clone());
            keys.unwrap_or_default().into_iter().map(check)
        });
        let checks: Vec<(usize, String, String)> = checks.collect();
        let mut intact = vec![true; records.len()];
        for checks in checks.chunks(CHECKS_AT_ONCE) {
            let keys: Vec<&str> = checks.iter().map(|(_, key, _)| key.as_str()).collect();
            let exists = self.exist(&keys).await?;
            let marks = self.marks(&keys).await?;
            for (((place, _, mark), exists), noted) in checks.iter().zip(exists).zip(marks) {
                if let Some(intact) = intact.get_mut(*place) {
                    *intact &= exists && noted.as_ref() == Some(mark);
                }
            }
        }
        Ok(intact)
    }

    /// Whether each of these Redis keys exists.
    async fn exist(&self, keys: &[&str]) -> Result<Vec<bool>, LedgerError> {
        if !self.cluster {
            let found: usize = self.ask(redis::cmd("EXISTS").arg(keys)).await?;
            if found == keys.len() {
                return Ok(vec![true; keys.len()]);
            }
        }
        let commands = keys.iter().map(|key| {
            let mut command = redis::cmd("EXISTS");
            command.arg(key);
            command
        });
        self.read_each(commands.collect()).await
    }

    /// What is noted of each of these Redis keys.
    async fn marks(&self, keys: &[&str]) -> Result<Vec<Option<String>>, LedgerError> {
        if !self.cluster {
            let owners = self.names.owners(None);
            return self.ask(redis::cmd("HMGET").arg(owners).arg(keys)).await;
        }
        let commands = keys.iter().map(|key| {
            let mut command = redis::cmd("HGET");
            command.arg(self.names.owners_of(key)).arg(key);
            command
        });
        self.read_each(commands.collect()).await
    }

    /// How each of these objects stands, in their order.
    pub async fn standings(&self, keys: &[String]) -> Result<Vec<Standing>, LedgerError> {
        let commands = keys.iter().map(|key| {
            let mut command = redis::cmd("HMGET");
            command
                .arg(self.names.record(key))
                .arg(&["etag", "error", "error_at"]);
            command
        });
        let fields: Vec<[Option<String>; 3]> = self.read_each(commands.collect()).await?;
        let standing = |(key, [etag, error, at]): (&String, [Option<String>; 3])| Standing {
            live: etag.is_some_and(|etag| !etag.is_empty()),
            problem: error.map(|error| Problem {
                key: key.clone(),
                error,
                at: at.and_then(|at| at.parse().ok()),
            }),
        };
        Ok(keys.iter().zip(fields).map(standing).collect())
    }

    /// The answers of commands that only read, one key each: in one round trip, on a cluster all
    /// at a time.
    pub(super) async fn read_each<T>(&self, commands: Vec<Cmd>) -> Result<Vec<T>, LedgerError>
    where
        T: FromRedisValue,
    {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let commands = &commands;
        self.link
            .run(|mut link| async move { query_each(commands, &mut link).await })
            .await
    }
}

impl Seen {
    fn of(fields: [Option<String>; 8]) -> Self {
        let [
            issued,
            ticket,
            written,
            fingerprint,
            basis,
            digest,
            etag,
            last_modified,
        ] = fields;
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let committed = number(ticket);
        Self {
            settled: committed != 0 && number(issued) == committed,
            record: Record {
                committed,
                fingerprint,
                basis,
                digest,
                keys: None,
                ..Record::default()
            },
            etag: etag.unwrap_or_default(),
            last_modified: number(last_modified),
            written: number(written),
            keys_size: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(issued: Option<&str>, ticket: Option<&str>) -> Seen {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let [written, fingerprint, basis, digest, etag, last_modified] = Default::default();
        Seen::of([
            text(issued),
            text(ticket),
            written,
            fingerprint,
            basis,
            digest,
            etag,
            last_modified,
        ])
    }

    #[test]
    fn an_outstanding_ticket_and_a_record_without_a_commit_are_not_settled() {
        assert!(seen(Some("7"), Some("7")).settled);
        assert!(!seen(Some("8"), Some("7")).settled);
        assert!(!seen(Some("8"), None).settled);
        assert!(!seen(None, None).settled);
    }
}
