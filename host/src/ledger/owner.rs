//! Which object wrote a Redis key, and under which ticket.

use std::fmt;

/// The digits of a ticket as owners have it, of which each stands for six bits.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Tickets with so many digits or more are those that earlier versions have written in decimal: digits of
/// six bits would be more than a ticket has.
const DECIMAL: usize = 12;

/// The owner of a data key: the object that wrote it, and the ticket it was written under.
///
/// The object's record has that ticket too, as `written`. Where the two differ, one of them is from
/// before a loss (an eviction, a failover), and the key is not to be taken for what the record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) ticket: u64,
    /// The object's name, with its bucket and prefix.
    pub(super) object: String,
    /// As it is noted in Redis.
    text: String,
}

impl Owner {
    /// As a commit notes it.
    pub(super) fn new(ticket: u64, object: String) -> Self {
        let text = format!("{} {object}", mark(ticket));
        Self {
            ticket,
            object,
            text,
        }
    }

    /// Reads what is noted of a key: who has reserved it, the latest first, and who has written it.
    pub(super) fn all(noted: &str) -> Vec<Self> {
        let (mut owners, mut rest) = (Vec::new(), noted);
        while let Some(reservation) = Reservation::parse(rest) {
            owners.extend(Self::read(
                reservation.mark,
                reservation.object,
                reservation.text,
            ));
            rest = reservation.before;
        }
        let written = rest.split_once(' ');
        owners.extend(written.and_then(|(mark, object)| Self::read(mark, object, rest)));
        owners
    }

    /// The same of a key that has one owner, or of one of them.
    #[cfg(test)]
    pub(super) fn parse(noted: &str) -> Option<Self> {
        Self::all(noted).into_iter().next()
    }

    fn read(mark: &str, object: &str, text: &str) -> Option<Self> {
        let ticket = if mark.len() < DECIMAL {
            number(mark)?
        } else {
            mark.parse().ok()?
        };
        Some(Self {
            ticket,
            object: object.to_owned(),
            text: text.to_owned(),
        })
    }

    /// Reads who has written the key: not who has reserved it.
    pub(super) fn of_value(noted: &str) -> Option<Self> {
        Self::all(noted).pop().filter(|last| !last.is_reserved())
    }

    /// Whether it has reserved the key, and not written it.
    pub(super) fn is_reserved(&self) -> bool {
        self.text.starts_with('?')
    }

    /// Whether an earlier version has noted it, which did not name the prefix of its deployment.
    pub(super) fn is_earlier(&self) -> bool {
        let mark = self.text.split(' ').next().unwrap_or_default();
        !self.is_reserved() && mark.len() >= DECIMAL
    }
}

/// A key of a cluster that an object is about to write.
struct Reservation<'a> {
    mark: &'a str,
    object: &'a str,
    /// All of it.
    text: &'a str,
    /// Who has it until then, or has reserved it before.
    before: &'a str,
}

impl<'a> Reservation<'a> {
    fn parse(noted: &'a str) -> Option<Self> {
        let (made, rest) = noted.strip_prefix('?')?.split_once(' ')?;
        // When it was made is for the scripts to know: by the clock of the server that it is on.
        let mark = made.split_once(':').map_or(made, |(mark, _)| mark);
        let (length, rest) = rest.split_once(' ')?;
        let (object, before) = rest.split_at_checked(length.parse().ok()?)?;
        Some(Self {
            mark,
            object,
            text: noted.strip_suffix(before)?,
            before,
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A ticket in nine digits, until the year 2540; the scripts write it so too.
pub(super) fn mark(ticket: u64) -> String {
    let mut digits = Vec::new();
    let mut rest = ticket;
    while rest > 0 || digits.is_empty() {
        let digit = usize::try_from(rest % 64).unwrap_or_default();
        digits.extend(DIGITS.get(digit).copied().map(char::from));
        rest /= 64;
    }
    digits.into_iter().rev().collect()
}

fn number(mark: &str) -> Option<u64> {
    let mut number: u64 = 0;
    for byte in mark.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        number = number.checked_mul(64)?;
        number = number.checked_add(u64::try_from(digit).ok()?)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_whatever_the_object_is_called() {
        let owner = Owner::new(1_763_868_000_000_000, "config/a b\nc".into());
        assert_eq!(owner.to_string(), "6H3g5aXW0 config/a b\nc");
        assert_eq!(Owner::parse(&owner.to_string()), Some(owner.clone()));
        assert!(!owner.is_earlier());
        for broken in ["config/a", "+ config/a", "99999999999999999999999 config/a"] {
            assert_eq!(Owner::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_reserved_key_is_still_of_whoever_has_written_it() {
        let noted = "?9:1aBc- 8 config/a?7 8 config/b5 config/b c";
        let owners = Owner::all(noted);
        let seen = owners.iter().map(|owner| {
            let (ticket, object) = (owner.ticket, owner.object.as_str());
            (ticket, object, owner.is_reserved(), owner.to_string())
        });
        assert_eq!(
            Vec::from_iter(seen),
            [
                (9, "config/a", true, "?9:1aBc- 8 config/a".to_owned()),
                (7, "config/b", true, "?7 8 config/b".to_owned()),
                (5, "config/b c", false, "5 config/b c".to_owned()),
            ]
        );
        assert_eq!(Owner::of_value(noted), owners.last().cloned());
        assert_eq!(Owner::of_value("?9 8 config/a"), None);
        assert_eq!(Owner::all("?9 99 config/a"), []);
    }

    #[test]
    fn what_an_earlier_version_has_noted_is_read_and_stays_as_it_is() {
        let noted = "1763868000000000 config/a";
        let owner = Owner::parse(noted).unwrap();
        assert!(owner.is_earlier());
        assert_eq!(owner.ticket, 1_763_868_000_000_000);
        assert_eq!(owner.to_string(), noted);
    }
}
