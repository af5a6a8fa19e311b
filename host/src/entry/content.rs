//! A digest of what Redis keys hold, which is the same whether it is made from entries or by a script in
//! Redis (`digest.lua`), where no value has to travel.
//!
//! A key's elements are hashed one by one and the hashes added up, so that they can be gone through in
//! pieces, in whatever order Redis hands them out. What has an order (a list, the pieces of a text)
//! is hashed with its place. It finds what somebody has changed; it is no proof against one who may write
//! to Redis, and the records there, as they like.

use super::{Entry, Value};
use crate::fingerprint::Fingerprint;
use crate::number::to_u64;
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;

/// A text is hashed in pieces of so many bytes.
pub const PIECE_BYTES: usize = 1 << 20;

/// Digits of a digest of contents, and of one of times to live: 128 bits together, for every object in Redis.
const CONTENT_DIGITS: usize = 24;
const TTL_DIGITS: usize = 8;

/// In place of the latter where nothing expires.
const NOTHING_EXPIRES: &str = "00000000";

/// Bits of a lane: sums of two stay exact in the numbers that a script has.
const LANE_MASK: u64 = (1 << 48) - 1;

/// What one key holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Its type, as Redis names it.
    pub kind: String,
    /// Whether it has a time to live.
    pub expires: bool,
    /// Number of its elements; of a text its bytes.
    pub length: u64,
    /// The sum of the hashes of its elements, in three lanes.
    pub sum: [u64; 3],
}

impl Content {
    /// Of an entry, once it is written.
    fn of(entry: &Entry) -> Self {
        let mut content = Self {
            expires: entry.ttl_seconds.is_some(),
            ..Self::default()
        };
        match &entry.value {
            Value::Bytes(bytes) => content.text(bytes),
            Value::List(items) => content.list(items),
            Value::Hash(fields) => content.each(
                "hash",
                fields,
                |(field, _)| field,
                |sum, (field, value)| sum.add(&[&number(field.len()), field.as_bytes(), value]),
            ),
            Value::Set(members) => {
                content.each(
                    "set",
                    members,
                    |member| member,
                    |sum, member| sum.add(&[member]),
                );
            }
            // Zero has one sign: Redis keeps it in some of its encodings only.
            Value::SortedSet(members) => content.each(
                "zset",
                members,
                |(member, _)| member,
                |sum, (member, score)| sum.add(&[&(score + 0.0).to_le_bytes(), member]),
            ),
        }
        content
    }

    fn text(&mut self, bytes: &[u8]) {
        "string".clone_into(&mut self.kind);
        self.length = to_u64(bytes.len());
        for (place, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
            self.add(&[&number(place), piece]);
        }
    }

    fn list(&mut self, items: &[Vec<u8>]) {
        "list".clone_into(&mut self.kind);
        self.length = to_u64(items.len());
        for (place, item) in items.iter().enumerate() {
            self.add(&[&number(place), item]);
        }
    }

    /// Of elements that have a name each: of those that share one, Redis keeps the last.
    fn each<T, K: Ord>(
        &mut self,
        kind: &str,
        elements: &[T],
        name: impl Fn(&T) -> &K,
        add: impl Fn(&mut Self, &T),
    ) {
        kind.clone_into(&mut self.kind);
        let mut order: Vec<&T> = elements.iter().collect();
        order.sort_by(|one, other| name(one).cmp(name(other)));
        for (place, element) in order.iter().enumerate() {
            let next = order.get(place + 1);
            if next.is_none_or(|next| name(next) != name(element)) {
                self.length += 1;
                add(self, element);
            }
        }
    }

    fn add(&mut self, parts: &[&[u8]]) {
        let hash = parts
            .iter()
            .fold(Sha1::new(), Sha1::chain_update)
            .finalize();
        let (lanes, _) = hash.as_chunks::<6>();
        let mut hash = [0; 3];
        for (sum, [a, b, c, d, e, f]) in hash.iter_mut().zip(lanes) {
            *sum = u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]);
        }
        self.add_sums(hash);
    }

    /// Adds hashes of more elements.
    pub fn add_sums(&mut self, sums: [u64; 3]) {
        for (sum, more) in self.sum.iter_mut().zip(sums) {
            *sum = sum.wrapping_add(more) & LANE_MASK;
        }
    }
}

fn number(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// The digest of what these keys hold, hexadecimal.
pub fn digest(contents: &BTreeMap<&str, Content>) -> String {
    let add = |all: Fingerprint, (key, content): (&&str, &Content)| {
        content.sum.iter().fold(
            all.part(key)
                .part(&content.kind)
                .part([u8::from(content.expires)])
                .part(content.length.to_le_bytes()),
            |all, lane| all.part(lane.to_le_bytes()),
        )
    };
    let mut digest = contents.iter().fold(Fingerprint::new(), add).hex();
    digest.truncate(CONTENT_DIGITS);
    digest
}

/// The digest of entries: of what their keys hold, and after it, where any of them expires, of when.
pub(super) fn of_entries(entries: &[Entry]) -> String {
    let contents = entries
        .iter()
        .map(|entry| (entry.key.as_str(), Content::of(entry)));
    let all = digest(&contents.collect());
    let expiring: BTreeMap<&str, u64> = entries
        .iter()
        .filter_map(|entry| Some((entry.key.as_str(), entry.ttl_seconds?)))
        .collect();
    if expiring.is_empty() {
        return all + NOTHING_EXPIRES;
    }
    let add =
        |all: Fingerprint, (key, seconds): (&str, u64)| all.part(key).part(seconds.to_le_bytes());
    let mut ttls = expiring.into_iter().fold(Fingerprint::new(), add).hex();
    ttls.truncate(TTL_DIGITS);
    if ttls == NOTHING_EXPIRES {
        "00000001".clone_into(&mut ttls);
    }
    all + &ttls
}

/// What the recorded digest of entries says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// The digest of what the keys should hold.
    pub content: &'a str,
    /// Whether any of the keys expires.
    pub expires: bool,
}

impl<'a> Recorded<'a> {
    /// Reads a digest; `None` where it is none.
    pub fn read(recorded: &'a str) -> Option<Self> {
        let (content, ttls) = recorded.split_at_checked(CONTENT_DIGITS)?;
        (ttls.len() == TTL_DIGITS).then_some(Self {
            content,
            expires: ttls != NOTHING_EXPIRES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Value) -> Entry {
        Entry {
            key: "k".into(),
            value,
            ttl_seconds: None,
        }
    }

    fn of(value: Value) -> String {
        of_entries(&[entry(value)])
    }

    fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_redis_makes_the_same_of_has_the_same_digest() {
        let set = |members: &[&str]| of(Value::Set(texts(members)));
        assert_eq!(set(&["a", "b", "a"]), set(&["b", "a"]));
        let hash = |fields: &[(&str, &str)]| {
            let fields = fields.iter();
            of(Value::Hash(
                fields
                    .map(|(f, v)| ((*f).to_owned(), v.as_bytes().to_vec()))
                    .collect(),
            ))
        };
        assert_eq!(
            hash(&[("f", "1"), ("g", "2"), ("f", "3")]),
            hash(&[("g", "2"), ("f", "3")])
        );
        assert_ne!(
            hash(&[("f", "1"), ("f", "3")]),
            hash(&[("f", "3"), ("f", "1")])
        );
        assert_ne!(hash(&[("ab", "c")]), hash(&[("a", "bc")]));
        let zset = |score: f64| of(Value::SortedSet(vec![(b"m".to_vec(), score)]));
        assert_eq!(zset(0.0), zset(-0.0));
        assert_ne!(zset(1.0), zset(1.5));
    }

    #[test]
    fn whatever_makes_a_difference_in_redis_changes_the_digest() {
        let list = |items: &[&str]| of(Value::List(texts(items)));
        let different = [
            list(&["a", "b"]),
            list(&["b", "a"]),
            list(&["ab"]),
            of(Value::Set(texts(&["ab"]))),
            of(Value::Bytes(b"ab".to_vec())),
            of(Value::Bytes(b"a".to_vec())),
            of(Value::Bytes(Vec::new())),
            of_entries(&[Entry {
                key: "l".into(),
                ..entry(Value::Bytes(b"ab".to_vec()))
            }]),
            of_entries(&[Entry {
                ttl_seconds: Some(1),
                ..entry(Value::Bytes(b"ab".to_vec()))
            }]),
            of_entries(&[Entry {
                ttl_seconds: Some(2),
                ..entry(Value::Bytes(b"ab".to_vec()))
            }]),
            of_entries(&[]),
        ];
        let all: std::collections::BTreeSet<&String> = different.iter().collect();
        assert_eq!(all.len(), different.len());
    }

    #[test]
    fn a_recorded_digest_says_whether_keys_expire() {
        let recorded = of(Value::Bytes(b"v".to_vec()));
        let kept = &recorded[..CONTENT_DIGITS];
        assert_eq!(
            Recorded::read(&recorded),
            Some(Recorded {
                content: kept,
                expires: false
            })
        );
        let expiring = of_entries(&[Entry {
            ttl_seconds: Some(1),
            ..entry(Value::Bytes(b"v".to_vec()))
        }]);
        let recorded = Recorded::read(&expiring).unwrap();
        assert!(recorded.expires && recorded.content != kept);
        for other in ["", "abc", &"0".repeat(64)] {
            assert_eq!(Recorded::read(other), None);
        }
    }
}
