//! A transform that does what its object says, for the end-to-end tests.

use redis_sync_guest::{Entries, Entry, Object, Result, bail, info, settings, transform};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The tests put other letters here to get another plugin from the same module: what is not a dot
/// goes before every key.
#[used]
static VARIANT: [u8; 16] = *b"@@VARIANT=....@@";

/// What an object says.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Act {
    /// Yield these.
    Yield { entries: BTreeMap<String, Content> },
    /// Yield `count` keys `<key>:<n>` that hold `value`.
    Many {
        key: String,
        count: usize,
        value: String,
    },
    /// Return an error.
    Fail { message: String },
    /// Panic.
    Panic { message: String },
    /// Never end.
    Spin,
    /// Take memory without end.
    Grow,
    /// Take pieces of memory and give them back over and over, then yield how many were as they were left.
    Churn { rounds: u32 },
    /// Yield one value of so many bytes.
    Flood { bytes: usize },
    /// Call itself without end.
    Recurse,
    /// Write so many log lines.
    Log { lines: usize },
    /// Sleep so long, then yield how long it seemed.
    Sleep { ms: u64 },
    /// Yield whatever can be seen from inside.
    Observe,
}

/// What one key holds.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Bytes(String),
    Hash(BTreeMap<String, String>),
    List(Vec<String>),
    Set(Vec<String>),
    SortedSet(Vec<(String, f64)>),
    Expiring(String, u64),
}

/// Does what the object says.
#[transform]
fn scripted(object: &Object) -> Result<Entries> {
    match object.json::<Act>()? {
        Act::Yield { entries } => Ok(entries.into_iter().map(entry).collect()),
        Act::Many { key, count, value } => Ok((0..count)
            .map(|number| Entry::text(prefixed(&format!("{key}:{number}")), value.clone()))
            .collect()),
        Act::Fail { message } => bail!("{message}"),
        Act::Panic { message } => panic!("{message}"),
        Act::Spin => loop {
            black_box(());
        },
        Act::Grow => {
            let mut taken = Vec::new();
            loop {
                taken.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        Act::Churn { rounds } => Ok(Entries::new().text("intact", churn(rounds).to_string())),
        Act::Flood { bytes } => Ok(Entries::new().bytes("flood", vec![b'x'; bytes])),
        Act::Recurse => Ok(Entries::new().text("depth", recurse(1).to_string())),
        Act::Log { lines } => {
            (0..lines).for_each(|line| info!("line {line}"));
            Ok(Entries::new())
        }
        Act::Sleep { ms } => {
            let before = Instant::now();
            std::thread::sleep(Duration::from_millis(ms));
            Ok(Entries::new().text("slept", before.elapsed().as_millis().to_string()))
        }
        Act::Observe => observe(object),
    }
}

/// A hundred pieces at a time, each of which is filled, grown and looked at before it is given back.
fn churn(rounds: u32) -> usize {
    let mut pieces: [Vec<u8>; 100] = std::array::from_fn(|_| Vec::new());
    let (mut intact, mut number) = (0, 1_u32);
    for round in 0..rounds {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (place, bytes) = ((number >> 24) as usize, ((number >> 16) & 0xfff) as usize);
        let Some(piece) = pieces.get_mut(place) else {
            continue;
        };
        let is_whole = |piece: &Vec<u8>| piece.iter().all(|byte| Some(byte) == piece.first());
        if piece.len() > 8000 {
            intact += usize::from(is_whole(&std::mem::take(piece)));
            continue;
        }
        let mark = piece.first().copied().unwrap_or(round.to_le_bytes()[0]);
        piece.resize(piece.len() + bytes, mark);
        if bytes & 7 == 0 {
            *piece = vec![mark; bytes];
            intact += usize::from(black_box(vec![0_u8; bytes]).iter().all(|byte| *byte == 0));
        }
    }
    intact
}

fn entry((key, content): (String, Content)) -> Entry {
    let key = prefixed(&key);
    match content {
        Content::Bytes(text) => Entry::text(key, text),
        Content::Hash(fields) => Entry::hash(key, fields),
        Content::List(items) => Entry::list(key, items),
        Content::Set(members) => Entry::set(key, members),
        Content::SortedSet(members) => Entry::sorted_set(key, members),
        Content::Expiring(text, seconds) => {
            Entry::text(key, text).ttl(Duration::from_secs(seconds))
        }
    }
}

fn prefixed(key: &str) -> String {
    let variant = black_box(&VARIANT);
    let prefix = variant[10..14]
        .iter()
        .filter(|letter| **letter != b'.')
        .map(|letter| char::from(*letter));
    prefix.chain(key.chars()).collect()
}

fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    if depth == u64::MAX {
        room[0]
    } else {
        recurse(black_box(depth + 1)) + room[63]
    }
}

fn observe(object: &Object) -> Result<Entries> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let instant = Instant::now();
    let seen = [
        ("bucket", object.bucket.clone()),
        ("key", object.key.clone()),
        ("etag", object.etag.clone()),
        (
            "content_type",
            object.content_type.clone().unwrap_or_default(),
        ),
        ("metadata", format!("{:?}", object.metadata)),
        ("settings", format!("{:?}", settings::all())),
        (
            "region_and_zone",
            format!("{:?}", ["region", "zone"].map(settings::get)),
        ),
        (
            "clock_is_last_modified",
            (now == u128::from(object.last_modified_ms)).to_string(),
        ),
        ("elapsed", format!("{:?}", instant.elapsed())),
        ("random", RandomState::new().hash_one(0).to_string()),
        (
            "environment",
            format!("{:?}", std::env::vars().collect::<Vec<_>>()),
        ),
        (
            "arguments",
            format!("{:?}", std::env::args().collect::<Vec<_>>()),
        ),
        (
            "root",
            format!(
                "{:?}",
                std::fs::read_dir("/")
                    .map(|_| ())
                    .map_err(|error| error.kind())
            ),
        ),
        (
            "socket",
            format!(
                "{:?}",
                std::net::TcpStream::connect("127.0.0.1:6379")
                    .map(|_| ())
                    .is_ok()
            ),
        ),
    ];
    Ok(Entries::new().hash("observed", seen))
}
