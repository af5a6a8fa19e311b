//! Taking tickets.

use super::call::{self, Call, TICKET};
use super::proposal::Ticket;
use super::record::{FIELDS, Fields, KEY_FIELDS, Record, keys};
use super::{Ledger, LedgerError};

/// Tickets taken in one round trip.
const TICKETS_AT_ONCE: usize = 500;

/// Size in bytes up to which a record's list of keys comes with the ticket. A longer one is
/// fetched when it is needed.
const KEYS_WITH_TICKET: usize = 16 * 1024;

/// Number; the record's fields; its list of keys in one piece.
type Answer = (u64, Fields, Option<Vec<u8>>);

impl Ledger {
    /// Takes a ticket for each object, in their order. Whatever decides the result must be read after
    /// this.
    pub async fn take_tickets(&self, keys: &[String]) -> Result<Vec<Ticket>, LedgerError> {
        let mut tickets = Vec::with_capacity(keys.len());
        for keys in keys.chunks(TICKETS_AT_ONCE) {
            let calls: Vec<Call> = keys.iter().map(|key| self.ticket_call(key)).collect();
            let calls = &calls;
            let answers = self
                .link
                .run(|mut connection| async move {
                    call::invoke_all::<Answer>(calls, &mut connection).await
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
            .arguments(FIELDS)
    }
}

fn ticket((number, fields, packed): Answer) -> Ticket {
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
