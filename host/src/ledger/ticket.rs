//! Taking tickets.

use super::call::{self, Call, TICKET};
use super::chance::step;
use super::generation::Generation;
use super::proposal::Ticket;
use super::record::Record;
use super::record::fields::{FIELDS, Fields, KEY_FIELDS, keys};
use super::{Ledger, LedgerError};

/// Tickets taken in one round trip.
const TICKETS_AT_ONCE: usize = 500;

/// Size in bytes up to which a record's list of keys comes with the ticket. A longer one is
/// fetched when it is needed.
const KEYS_WITH_TICKET: usize = 16 * 1024;

/// Tickets that were taken together.
#[derive(Debug)]
pub struct Taken {
    /// One an object, in their order.
    pub tickets: Vec<Ticket>,
    /// The generation that the plugin list had when the last of them was taken, or later.
    pub generation: Generation,
    /// Whether all of them came with that one.
    pub is_one_generation: bool,
}

/// Number; the record's fields; its list of keys in one piece; on one server, the generation of the
/// plugin list.
type Answer = (u64, Fields, Option<Vec<u8>>, Option<Generation>);

impl Ledger {
    /// Takes a ticket for each object. Whatever decides the result must be read after this, but for a
    /// plugin list that is kept for the generation that all of them came with.
    pub async fn take_tickets(&self, keys: &[String]) -> Result<Taken, LedgerError> {
        let mut tickets = Vec::with_capacity(keys.len());
        let mut generations = Vec::new();
        for keys in keys.chunks(TICKETS_AT_ONCE) {
            let calls: Vec<Call> = keys.iter().map(|key| self.ticket_call(key)).collect();
            let calls = &calls;
            let answers = self
                .link
                .run(|mut connection| async move {
                    call::invoke_all::<Answer>(calls, &mut connection).await
                })
                .await?;
            for (number, fields, keys, generation) in answers {
                tickets.push(ticket(number, fields, keys));
                generations.extend(generation);
            }
        }
        // Never before the tickets: what was raised in between would be missed.
        if self.cluster || generations.is_empty() {
            generations = vec![Box::pin(self.generation()).await?];
        }
        let generation = generations.last().copied().unwrap_or_default();
        Ok(Taken {
            tickets,
            is_one_generation: generations.iter().all(|each| *each == generation),
            generation,
        })
    }

    fn ticket_call(&self, key: &str) -> Call {
        let mut call = Call::new(&TICKET).key(self.names.record(key));
        if !self.cluster {
            call = call.key(self.names.generation());
        }
        call.argument(self.tombstone.as_secs().to_string())
            .argument(KEYS_WITH_TICKET.to_string())
            .argument(step().to_string())
            .arguments(FIELDS)
    }
}

fn ticket(number: u64, fields: Fields, packed: Option<Vec<u8>>) -> Ticket {
    let list = |packed| {
        let mut fields = [const { None }; KEY_FIELDS.len()];
        fields[1] = Some(packed);
        keys(fields)
    };
    Ticket {
        number,
        record: Record::decode(fields, packed.map(list)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_sync_local::Redis;
    use std::collections::BTreeSet;

    /// Two servers that know of the same last ticket, as after a failover, hand out others.
    #[tokio::test]
    async fn a_ticket_that_a_failover_has_undone_is_not_handed_out_again() {
        let redis = Redis::start().await.unwrap();
        let ledger = Ledger::in_redis(&redis, false);
        let mut handed_out = BTreeSet::new();
        for _ in 0..3 {
            let record = [
                "HSET",
                "redis-sync:object:config/o",
                "issued",
                "8000000000000000",
            ];
            redis.command(&record).await.unwrap();
            let taken = ledger.take_tickets(&["o".to_owned()]).await.unwrap();
            handed_out.insert(taken.tickets[0].number);
        }
        assert_eq!(handed_out.len(), 3, "{handed_out:?}");
    }
}
