//! Who wrote a Redis key, and under which ticket.

use std::fmt;

/// What is noted of a data key: the object that wrote it, and the ticket it was written under.
///
/// The object's record has that ticket too, as `written`. Where the two differ, one of them is from
/// before a loss (an eviction, a failover), and the key is not to be taken for what the record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) ticket: u64,
    /// `<bucket>/<key>` of the object.
    pub(super) object: String,
}

impl Mark {
    /// Reads what the commit script has noted.
    pub(super) fn parse(noted: &str) -> Option<Self> {
        let (ticket, object) = noted.split_once(' ')?;
        Some(Self {
            ticket: ticket.parse().ok()?,
            object: object.to_owned(),
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.ticket, self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_whatever_the_object_is_called() {
        let mark = Mark {
            ticket: 1_763_868_000_000_000,
            object: "config/a b\nc".into(),
        };
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        assert_eq!(Mark::parse("config/a"), None);
    }
}
