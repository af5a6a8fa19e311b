//! How a record is written: a hash of few and short fields, which Redis keeps in one piece of memory as long as
//! none is longer than 64 bytes.
//!
//! | field | what |
//! | --- | --- |
//! | `ticket` | the ticket of the last commit |
//! | `issued`, `announced` | the last ticket issued, and announced on a cluster, where that is a later one |
//! | `written` | the ticket that the entries were written under, where that is an earlier one |
//! | `slots` | on a cluster: the hash slots that may hold something of the object |
//! | `s` | digest of the entries, fingerprint, basis (16 bytes each), last modified, committed at (6 bytes each) |
//! | `e` | entity tag and version: `h`, the tag in 16 bytes, the version; or `t`, the tag, a zero, the version |
//! | `p`, `q`, `r` | the plugins, in pieces: SHA-256 in 32 bytes, the length of the name in two, the name |
//! | `by`, `ip` | who has put the object, and from where, as its event has told |
//! | `k`, `k1` … `k7` | the Redis keys, in pieces: see [`packed_keys::pack`] |
//! | `v` | of a part: keys that are reserved for the object, packed likewise |
//! | `error`, `error_at`, `error_basis` | why the last attempt failed, if it did |
//!
//! Versions before had a text each: `fingerprint`, `basis`, `digest`, `etag`, `version_id`, `last_modified`,
//! `plugins`, `written_at`, `keys`. They are read, but for the digests: such an object is run once more.

use super::{Commit, PluginUsed, Record, Source, milliseconds_now, packed_keys};
use crate::event::Author;
use crate::fingerprint::hex;

/// The fields that are read together, in this order. Those from `etag` on are of earlier versions.
pub(in super::super) const FIELDS: [&str; 19] = [
    "issued",
    "ticket",
    "announced",
    "written",
    "s",
    "e",
    "p",
    "q",
    "r",
    "by",
    "ip",
    "error",
    "error_at",
    "error_basis",
    "etag",
    "version_id",
    "last_modified",
    "plugins",
    "written_at",
];

/// Place in [`FIELDS`] of the first field that only earlier versions wrote.
pub(in super::super) const EARLIER: usize = 14;

/// The values of the fields of this version, as Redis has them.
pub(in super::super) type Newer = [Option<Vec<u8>>; EARLIER];

/// The values of [`FIELDS`], as Redis has them.
pub(in super::super) type Fields = [Option<Vec<u8>>; FIELDS.len()];

/// The fields that list the Redis keys. They are read apart, since they may be long. The first is of earlier
/// versions.
pub(in super::super) const KEY_FIELDS: [&str; 9] =
    ["keys", "k", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

/// The values of [`KEY_FIELDS`], as Redis has them.
pub(in super::super) type KeyFields = [Option<Vec<u8>>; KEY_FIELDS.len()];

/// The first of those fields, which has the whole list where that is long.
pub(in super::super) const KEYS: &str = "k";

/// Pieces that are asked for first: most lists are in one.
pub(in super::super) const SHORT_LIST: usize = 2;

/// The largest piece, in bytes: with a longer value Redis keeps the hash as a table.
const PIECE: usize = 64;

/// The longest list of keys that is in pieces, in bytes. A longer one is worth a table.
pub(in super::super) const KEYS_SPREAD: usize = PIECE * (KEY_FIELDS.len() - 1);

/// Bytes of a digest.
const DIGEST: usize = 16;

/// Bytes of a time.
const TIME: usize = 6;

impl Record {
    /// Reads a record. Where a commit to a cluster was announced and has not finished, Redis may hold
    /// some of the old entries and some of the new ones: then nothing says what it holds.
    pub(in super::super) fn decode(fields: Fields, keys: Option<Vec<String>>) -> Self {
        let [
            issued,
            ticket,
            announced,
            written,
            sums,
            version,
            plugins_1,
            plugins_2,
            plugins_3,
            by,
            ip,
            error,
            error_at,
            error_basis,
            earlier @ ..,
        ] = fields;
        let committed = number(ticket).unwrap_or_default();
        let tickets = Self {
            committed,
            issued: number(issued).unwrap_or_default().max(committed),
            announced: number(announced).unwrap_or_default().max(committed),
            written: number(written).unwrap_or(committed),
            error: text(error),
            error_at: number(error_at),
            error_basis: text(error_basis).filter(|basis| !basis.is_empty()),
            author: text(by).map(|principal| Author {
                principal,
                source_ip: text(ip),
            }),
            keys,
            ..Self::default()
        };
        let record = match sums {
            Some(sums) => {
                let (etag, version_id) = unpack_version(&version.unwrap_or_default());
                let plugins = [plugins_1, plugins_2, plugins_3].into_iter().flatten();
                Self {
                    etag: Some(etag),
                    version_id,
                    plugins: unpack_plugins(&plugins.flatten().collect::<Vec<_>>()),
                    ..tickets.with_sums(&sums)
                }
            }
            None => tickets.with_earlier(earlier),
        };
        if record.is_whole() {
            return record;
        }
        Self {
            fingerprint: None,
            basis: None,
            digest: None,
            keys: None,
            ..record
        }
    }

    /// What an earlier version has written.
    fn with_earlier(self, earlier: [Option<Vec<u8>>; FIELDS.len() - EARLIER]) -> Self {
        let [etag, version_id, last_modified, plugins, written_at] = earlier;
        let plugins = plugins.and_then(|json| serde_json::from_slice(&json).ok());
        Self {
            etag: text(etag),
            version_id: text(version_id).filter(|version| !version.is_empty()),
            last_modified: number(last_modified).unwrap_or_default(),
            plugins: plugins.unwrap_or_default(),
            written_at: number(written_at),
            ..self
        }
    }

    fn with_sums(self, sums: &[u8]) -> Self {
        let mut rest = sums;
        let mut next = |length: usize| {
            let (part, after) = rest.split_at_checked(length).unwrap_or((&[], rest));
            rest = after;
            Some(part).filter(|part| part.iter().any(|byte| *byte != 0))
        };
        let [digest, fingerprint, basis] = [(); 3].map(|()| next(DIGEST).map(hex));
        let [last_modified, written_at] = [(); 2].map(|()| next(TIME).map(big_endian));
        Self {
            digest,
            fingerprint,
            basis,
            last_modified: last_modified.unwrap_or_default(),
            written_at,
            ..self
        }
    }
}

impl Commit<'_> {
    /// The fields of the record, name and value in turn, with these keys.
    pub(in super::super) fn encode(&self, keys: &[&str]) -> Vec<Vec<u8>> {
        let mut sums = raw(self.digest);
        let mut version = Vec::new();
        let (mut packed, mut by) = (Vec::new(), None);
        match self.source {
            Source::Gone => sums.extend([0; 2 * DIGEST + TIME]),
            Source::Object {
                etag,
                version_id,
                last_modified,
                fingerprint,
                basis,
                plugins,
                author,
            } => {
                by.clone_from(author);
                sums.extend([raw(fingerprint), raw(basis)].concat());
                sums.extend(time(*last_modified));
                version = pack_version(etag, version_id.as_deref());
                packed = pack_plugins(plugins);
            }
        }
        sums.extend(time(milliseconds_now()));
        let mut pairs = vec![b"s".to_vec(), sums];
        if !version.is_empty() {
            pairs.extend([b"e".to_vec(), version]);
        }
        pairs.extend(pieces(&["p", "q", "r"], &packed));
        if let Some(Author {
            principal,
            source_ip,
        }) = by
        {
            pairs.extend([b"by".to_vec(), principal.into_bytes()]);
            let ip = source_ip.map(|ip| [b"ip".to_vec(), ip.into_bytes()]);
            pairs.extend(ip.into_iter().flatten());
        }
        pairs.extend(pieces(&KEY_FIELDS[1..], &packed_keys::pack(keys)));
        pairs
    }

    /// The same for the part of a record that is in one hash slot of a cluster.
    pub(in super::super) fn encode_part(&self, keys: &[&str]) -> Vec<Vec<u8>> {
        let mut pairs = vec![b"s".to_vec(), raw(self.digest)];
        pairs.extend(pieces(&KEY_FIELDS[1..], &packed_keys::pack(keys)));
        pairs
    }
}

/// A value in as many fields as it takes, name and value in turn; in the first where there are too few.
fn pieces(names: &[&str], value: &[u8]) -> Vec<Vec<u8>> {
    let size = if value.len() > PIECE * names.len() {
        value.len()
    } else {
        PIECE
    };
    let pieces = names.iter().zip(value.chunks(size));
    pieces
        .flat_map(|(name, piece)| [name.as_bytes().to_vec(), piece.to_vec()])
        .collect()
}

/// The keys that a record lists, as this version or an earlier one has written them.
pub(in super::super) fn keys(fields: KeyFields) -> Vec<String> {
    let [earlier, now @ ..] = fields;
    let mut keys: Vec<String> = earlier
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default();
    keys.extend(packed_keys::unpack(
        &now.into_iter().flatten().flatten().collect::<Vec<_>>(),
    ));
    keys
}

/// All fields, without those of earlier versions.
pub(in super::super) fn widen(newer: Newer) -> Fields {
    let mut newer = newer.into_iter();
    std::array::from_fn(|_| newer.next().flatten())
}

/// Whether something was committed, and not by this version.
pub(in super::super) fn is_earlier([_, ticket, _, _, sums, ..]: &Fields) -> bool {
    ticket.is_some() && sums.is_none()
}

/// All fields of a list, of which the first pieces are known.
pub(in super::super) fn short_list(pieces: [Option<Vec<u8>>; SHORT_LIST]) -> KeyFields {
    let mut pieces = std::iter::once(None).chain(pieces);
    std::array::from_fn(|_| pieces.next().flatten())
}

/// Whether there may be more pieces: all that are known are there.
pub(in super::super) fn may_go_on(known: &KeyFields) -> bool {
    known[SHORT_LIST].is_some()
}

fn pack_plugins(plugins: &[(String, String)]) -> Vec<u8> {
    let pack = |(name, digest): &(String, String)| {
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        [&raw(digest), &length.to_be_bytes()[..], name.as_bytes()].concat()
    };
    plugins.iter().flat_map(pack).collect()
}

fn unpack_plugins(packed: &[u8]) -> Vec<PluginUsed> {
    let (mut plugins, mut rest) = (Vec::new(), packed);
    while let Some((digest, after)) = rest.split_first_chunk::<32>()
        && let Some((length, after)) = after.split_first_chunk()
        && let Some((name, after)) = after.split_at_checked(u16::from_be_bytes(*length).into())
    {
        plugins.push(PluginUsed {
            name: String::from_utf8_lossy(name).into_owned(),
            sha256: hex(digest),
        });
        rest = after;
    }
    plugins
}

fn pack_version(etag: &str, version_id: Option<&str>) -> Vec<u8> {
    let digest = Some(raw(etag)).filter(|digest| digest.len() == DIGEST && hex(digest) == etag);
    let tag = match digest {
        Some(digest) => [b"h", &*digest].concat(),
        None => [b"t", etag.as_bytes(), b"\0"].concat(),
    };
    [&tag, version_id.unwrap_or_default().as_bytes()].concat()
}

/// The entity tag, empty where the object is gone, and the version.
fn unpack_version(packed: &[u8]) -> (String, Option<String>) {
    let (etag, version) = match packed.split_first() {
        Some((b'h', rest)) => {
            let (digest, version) = rest.split_at_checked(DIGEST).unwrap_or((rest, &[]));
            (hex(digest), version)
        }
        Some((_, rest)) => {
            let end = rest.iter().position(|byte| *byte == 0);
            let (etag, version) = rest.split_at(end.unwrap_or(rest.len()));
            let etag = String::from_utf8_lossy(etag).into_owned();
            (etag, version.get(1..).unwrap_or_default())
        }
        None => (String::new(), &[][..]),
    };
    let version = String::from_utf8_lossy(version).into_owned();
    (etag, Some(version).filter(|version| !version.is_empty()))
}

/// The bytes that a digest in hexadecimal stands for; any other text is its own.
pub(in super::super) fn raw(digest: &str) -> Vec<u8> {
    hex::decode(digest).unwrap_or_else(|_| digest.as_bytes().to_vec())
}

/// A time in milliseconds, until the year 10889.
fn time(milliseconds: u64) -> [u8; TIME] {
    let [_, _, rest @ ..] = milliseconds.to_be_bytes();
    rest
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |all, byte| all << 8 | u64::from(*byte))
}

fn text(bytes: Option<Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A number as a record has it; none where it is something else.
pub(in super::super) fn number(digits: Option<Vec<u8>>) -> Option<u64> {
    str::from_utf8(&digits?).ok()?.parse().ok()
}
