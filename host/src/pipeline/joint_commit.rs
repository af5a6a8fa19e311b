//! Committing an object together with the objects whose keys are in its way.
//!
//! A key that an object yields may belong to another one that has given it up in the bucket but not
//! yet in Redis: it was deleted (the old name of a renamed object), or it yields something else by
//! now. Its own event will say so, sooner or later; but waiting for it would make a rename depend on
//! the order of its events, and two objects that swap their keys would wait for each other for
//! ever. So the owner is evaluated as well, and both are committed in one go.

use super::error::ChangeError;
use crate::ledger::{Proposal, TakenBy, Verdict};

/// Objects that are committed together at the most.
const MAX_TOGETHER: usize = 16;

/// Why a Redis key cannot be written: which, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict(String);

/// What is to be done after the ledger's verdict.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: what was proposed holds.
    Done,
    /// Nothing: a later state of the object has been committed.
    Superseded,
    /// The object of this key is to be committed as well.
    Join {
        /// Its key.
        owner: String,
        /// What to say where that fails.
        conflict: Conflict,
    },
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
    let conflict = Conflict::new(redis_key, &taken_by);
    match taken_by {
        TakenBy::Object(owner)
            if proposals.len() < MAX_TOGETHER
                && proposals.iter().all(|proposal| proposal.key != owner) =>
        {
            Ok(Next::Join { owner, conflict })
        }
        _ => Err(ChangeError::Conflict(conflict.0)),
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
            TakenBy::Stranger => format!(
                "the Redis key `{redis_key}` was not written by Redis Sync (ADOPT_KEYS=false)"
            ),
        })
    }

    /// What the object fails with where its owner could not be evaluated.
    pub(super) fn unresolved(self, cause: ChangeError) -> ChangeError {
        ChangeError::Owner {
            conflict: self.0,
            cause: Box::new(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Record, Source, Ticket, Write};

    fn proposals(keys: &[&str]) -> Vec<Proposal> {
        let proposal = |key: &&str| Proposal {
            key: (*key).to_owned(),
            ticket: Ticket {
                number: 1,
                record: Record::default(),
            },
            source: Source::Gone,
            write: Write::Unchanged,
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
    fn an_owner_joins_unless_it_is_there_already_or_there_are_too_many() {
        let joined = next(conflict(0, object("b")), &proposals(&["a"])).unwrap();
        assert!(matches!(joined, Next::Join { owner, .. } if owner == "b"));
        let again = next(conflict(0, object("b")), &proposals(&["a", "b"]));
        assert!(matches!(again, Err(ChangeError::Conflict(why)) if why.contains("`b`")));
        let names: Vec<String> = (0..MAX_TOGETHER).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(next(conflict(0, object("b")), &proposals(&names)).is_err());
    }

    #[test]
    fn a_conflict_names_the_other_object() {
        let error = next(conflict(1, object("a")), &proposals(&["a", "b"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Redis key `k` belongs to the object `b`"
        );
        for taken_by in [TakenBy::Stranger, TakenBy::OtherBucket("x/b".into())] {
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
