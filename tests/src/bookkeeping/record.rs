//! What a record says.

use super::Record;

/// The digits of tickets in owners.
const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Fields that list keys, in pieces.
const PIECES: [&str; 8] = ["k", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

/// The ticket that a mark stands for.
pub(super) fn ticket_of(mark: &str) -> u64 {
    let place = |digit| {
        DIGITS
            .find(digit)
            .and_then(|place| u64::try_from(place).ok())
    };
    mark.chars()
        .filter_map(place)
        .fold(0, |ticket, digit| ticket * 64 + digit)
}

impl Record {
    pub(super) fn text(&self, field: &str) -> String {
        let value = self.fields.get(field).cloned().unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    }

    /// A ticket. Where a field is not there, it is that of the last commit.
    pub(super) fn ticket(&self, field: &str) -> u64 {
        let of = |field: &str| self.text(field).parse().ok();
        of(field).or_else(|| of("ticket")).unwrap_or(0)
    }

    /// The ticket that the entries were written under, as owners have it.
    pub(super) fn mark(&self) -> String {
        let mut rest = self.ticket("written");
        let mut digits = Vec::new();
        while rest > 0 || digits.is_empty() {
            let digit = usize::try_from(rest % 64).unwrap_or_default();
            digits.extend(DIGITS.chars().nth(digit));
            rest /= 64;
        }
        digits.iter().rev().collect()
    }

    /// The list of Redis keys: of each how many bytes it has in common with the one before, how many
    /// follow, and those.
    pub(super) fn keys(&self) -> Vec<String> {
        let pieces = PIECES.iter().filter_map(|name| self.fields.get(*name));
        let packed: Vec<u8> = pieces.flatten().copied().collect();
        let (mut keys, mut last, mut rest) = (Vec::new(), Vec::new(), packed.as_slice());
        while let [shared, length, after @ ..] = rest {
            let (length, after) = match (length, after) {
                (255, [high, low, after @ ..]) => (u16::from_be_bytes([*high, *low]), after),
                _ => (u16::from(*length), after),
            };
            let (end, after) = after.split_at(length.into());
            last.truncate((*shared).into());
            last.extend(end);
            keys.push(String::from_utf8_lossy(&last).into_owned());
            rest = after;
        }
        keys
    }

    /// The entity tag; empty where the object is gone.
    pub(super) fn etag(&self) -> String {
        match self.fields.get("e").map(Vec::as_slice) {
            Some([b'h', rest @ ..]) => rest
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            Some([_, rest @ ..]) => {
                let tag = rest.split(|byte| *byte == 0).next().unwrap_or_default();
                String::from_utf8_lossy(tag).into_owned()
            }
            _ => String::new(),
        }
    }

    /// Fields that only earlier versions have written.
    pub(super) fn earlier(&self) -> Vec<&str> {
        let fields = self.fields.keys().map(String::as_str);
        fields
            .filter(|name| ["keys", "digest", "etag", "plugins"].contains(name))
            .collect()
    }
}
