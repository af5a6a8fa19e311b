//! What is to be done after the ledger's verdict on a commit.

use super::error::ChangeError;
use crate::ledger::{Proposal, TakenBy, Verdict};

/// The Redis keys of all objects that are committed together, those they had and those they are to have,
/// unless one object alone has more. They are what a script takes its time for, and Redis serves nobody
/// else meanwhile: 3 to 10 µs a key, so up to a second.
const MAX_KEYS: usize = 100_000;

/// What is sent with a joint commit at the most, in bytes.
const MAX_BYTES: u64 = 32 << 20;

/// How large a joint commit is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    objects: usize,
    keys: usize,
    bytes: u64,
}

impl Extent {
    /// Of the commit of these.
    pub(super) fn of(proposals: &[Proposal]) -> Self {
        let mut extent = Self::default();
        proposals.iter().for_each(|proposal| extent.add(proposal));
        extent
    }

    /// Counts one more that is committed together with the others.
    pub(super) fn add(&mut self, proposal: &Proposal) {
        self.objects += 1;
        self.keys += proposal.number_of_keys();
        self.bytes += proposal.sent_bytes() + proposal.recorded_bytes();
    }

    /// An error where they are too many with the owner of a key that is in the way.
    pub(super) fn check_room(&self, conflict: &Conflict) -> Result<(), ChangeError> {
        let Self {
            objects,
            keys,
            bytes,
        } = *self;
        if objects > 1 && (keys > MAX_KEYS || bytes > MAX_BYTES) {
            return Err(ChangeError::Conflict(format!(
                "{}, and {objects} objects that take over each other's keys are too many to be \
                 committed together ({keys} keys of {MAX_KEYS}, {bytes} bytes of {MAX_BYTES})",
                conflict.0
            )));
        }
        Ok(())
    }
}

/// Why a Redis key cannot be written: which, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict(String);

/// An object that has a key which another one yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InTheWay {
    /// The object's key.
    pub(super) owner: String,
    /// A Redis key that it has.
    pub(super) redis_key: String,
    /// What to say where it cannot be committed as well.
    pub(super) conflict: Conflict,
}

impl InTheWay {
    /// An object of this bucket that has a Redis key.
    pub(super) fn new(owner: String, redis_key: String) -> Self {
        let conflict = Conflict::new(&redis_key, &TakenBy::Object(owner.clone()));
        Self {
            owner,
            redis_key,
            conflict,
        }
    }
}

/// What is to be done after the ledger's verdict.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: what was proposed holds.
    Done,
    /// Nothing: a later state of the object has been committed.
    Superseded,
    /// The owner of a key is to be committed as well.
    Join(InTheWay),
    /// The proposal in this place has a new ticket to take, under which it is evaluated again.
    Again {
        /// Its place.
        place: usize,
        /// Whether what it yields is to be written in any case: what was taken for unchanged is not.
        rewrite: bool,
    },
}

/// Reads a verdict on proposals of which the first is the object's own, and the others are those of
/// objects that are in its way.
pub(super) fn next(verdict: Verdict, proposals: &[Proposal]) -> Result<Next, ChangeError> {
    let again = |place, rewrite| Ok(Next::Again { place, rewrite });
    match verdict {
        Verdict::Committed => Ok(Next::Done),
        Verdict::Superseded(0) => Ok(Next::Superseded),
        // Another worker was at the owner of a key meanwhile.
        Verdict::Superseded(place) | Verdict::Stale(place) => again(place, false),
        Verdict::Changed(place) => again(place, true),
        Verdict::Conflict {
            proposal,
            redis_key,
            taken_by,
        } => {
            let claimant = proposals.get(proposal).map(|proposal| &proposal.key);
            let own = proposals.first().map(|proposal| &proposal.key);
            join(&redis_key, in_the_way(taken_by, claimant, own), proposals)
        }
    }
}

/// The one of two claimants that is not the object itself, so that the message names the other.
fn in_the_way(taken_by: TakenBy, claimant: Option<&String>, own: Option<&String>) -> TakenBy {
    match (&taken_by, claimant) {
        (TakenBy::Object(owner), Some(claimant)) if Some(owner) == own => {
            TakenBy::Object(claimant.clone())
        }
        _ => taken_by,
    }
}

fn join(redis_key: &str, taken_by: TakenBy, proposals: &[Proposal]) -> Result<Next, ChangeError> {
    match taken_by {
        TakenBy::Object(owner) if proposals.iter().all(|proposal| proposal.key != owner) => {
            let in_the_way = InTheWay::new(owner, redis_key.to_owned());
            Extent::of(proposals).check_room(&in_the_way.conflict)?;
            Ok(Next::Join(in_the_way))
        }
        _ => Err(Conflict::new(redis_key, &taken_by).refused()),
    }
}

impl Conflict {
    fn new(redis_key: &str, taken_by: &TakenBy) -> Self {
        Self(match taken_by {
            TakenBy::Object(object) => {
                format!("the Redis key `{redis_key}` belongs to the object `{object}`")
            }
            TakenBy::OtherBucket(object) => format!(
                "the Redis key `{redis_key}` belongs to the object `{object}` of another bucket"
            ),
            TakenBy::OtherPrefix(object) => format!(
                "the Redis key `{redis_key}` belongs to the object `{object}` of a deployment with \
                 another REDIS_KEY_PREFIX"
            ),
            TakenBy::Stranger => format!(
                "the Redis key `{redis_key}` was not written by Redis Sync (ADOPT_KEYS=false)"
            ),
        })
    }

    /// What the object fails with where the owner keeps the key.
    pub(super) fn refused(self) -> ChangeError {
        ChangeError::Conflict(self.0)
    }

    /// What the object fails with where its owner could not be evaluated.
    pub(super) fn unresolved(&self, cause: ChangeError) -> ChangeError {
        ChangeError::Owner {
            conflict: self.0.clone(),
            cause: Box::new(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, EntrySet, Value};
    use crate::ledger::{Record, Source, Ticket, Touched, Write};

    fn proposals(keys: &[&str]) -> Vec<Proposal> {
        let proposal = |key: &&str| Proposal {
            key: (*key).to_owned(),
            ticket: Ticket {
                number: 1,
                record: Record::default(),
            },
            source: Source::Gone,
            write: Write::Unchanged,
            touched: Touched::default(),
        };
        keys.iter().map(proposal).collect()
    }

    fn conflict(proposal: usize, taken_by: TakenBy) -> Verdict {
        Verdict::Conflict {
            proposal,
            redis_key: "k".into(),
            taken_by,
        }
    }

    fn object(key: &str) -> TakenBy {
        TakenBy::Object(key.into())
    }

    #[test]
    fn an_owner_joins_unless_it_is_there_already() {
        let joined = next(conflict(0, object("b")), &proposals(&["a"])).unwrap();
        assert!(matches!(joined, Next::Join(InTheWay { owner, .. }) if owner == "b"));
        let again = next(conflict(0, object("b")), &proposals(&["a", "b"]));
        assert!(matches!(again, Err(ChangeError::Conflict(why)) if why.contains("`b`")));
    }

    #[test]
    fn objects_join_as_long_as_all_their_keys_and_bytes_fit_into_a_commit() {
        let with_keys = |number: usize| {
            let mut two = proposals(&["a", "b"]);
            two[1].ticket.record.keys = Some(vec![String::new(); number]);
            two
        };
        let joined = |proposals: &[Proposal]| next(conflict(0, object("c")), proposals);
        assert!(joined(&with_keys(MAX_KEYS)).is_ok());
        let refused = joined(&with_keys(MAX_KEYS + 1)).unwrap_err().to_string();
        assert!(
            refused.contains("2 objects that take over each other's keys are too many"),
            "{refused}"
        );
        let large = Entry {
            key: "k".into(),
            value: Value::List(vec![vec![0; 33 << 20]]),
            ttl_seconds: None,
        };
        let mut two = proposals(&["a", "b"]);
        two[0].write = Write::Entries(EntrySet::new(vec![large], "", None).unwrap());
        assert!(joined(&two).is_err());
        assert!(
            joined(&two[..1]).is_ok(),
            "what is alone is as large as it is"
        );
        let mut long = with_keys(1);
        long[1].ticket.record.keys = Some(vec!["k".repeat(33 << 20)]);
        assert!(joined(&long).is_err());
    }

    #[test]
    fn a_conflict_names_the_other_object() {
        let error = next(conflict(1, object("a")), &proposals(&["a", "b"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Redis key `k` belongs to the object `b`"
        );
        for taken_by in [
            TakenBy::Stranger,
            TakenBy::OtherBucket("x/b".into()),
            TakenBy::OtherPrefix("config@p/b".into()),
        ] {
            assert!(next(conflict(0, taken_by), &proposals(&["a"])).is_err());
        }
    }

    #[test]
    fn a_later_state_of_the_object_itself_ends_it_and_one_of_an_owner_does_not() {
        let both = proposals(&["a", "b"]);
        let superseded = next(Verdict::Superseded(0), &both).unwrap();
        assert_eq!(superseded, Next::Superseded);
        let again = |place, rewrite| Next::Again { place, rewrite };
        assert_eq!(
            next(Verdict::Superseded(1), &both).unwrap(),
            again(1, false)
        );
        assert_eq!(next(Verdict::Stale(0), &both).unwrap(), again(0, false));
        assert_eq!(next(Verdict::Changed(1), &both).unwrap(), again(1, true));
    }
}
