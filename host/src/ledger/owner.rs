//! Which object wrote a Redis key, and under which ticket.

use std::fmt;

/// The owner of a data key: the object that wrote it, and the ticket it was written under.
///
/// The object's record has that ticket too, as `written`. Where the two differ, one of them is from
/// before a loss (an eviction, a failover), and the key is not to be taken for what the record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) ticket: u64,
    /// `<bucket>/<key>` of the object.
    pub(super) object: String,
}

impl Owner {
    /// Reads what a commit has written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ticket, object) = text.split_once(' ')?;
        Some(Self {
            ticket: ticket.parse().ok()?,
            object: object.to_owned(),
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.ticket, self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_whatever_the_object_is_called() {
        let owner = Owner {
            ticket: 1_763_868_000_000_000,
            object: "config/a b\nc".into(),
        };
        assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
        assert_eq!(Owner::parse("config/a"), None);
    }
}
