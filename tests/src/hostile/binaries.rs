//! Bytes that are no module, or no longer one.

use super::{Attack, raw};
use crate::guest;

pub(super) fn attacks() -> Vec<Attack> {
    let module = guest::scripted();
    let half = module[..module.len() / 2].to_vec();
    let mut version = module.clone();
    version[4] ^= 0x40;
    let mut section = module.clone();
    section[9] ^= 0x40;
    let mut garbage = module[..8].to_vec();
    garbage
        .extend((0..10_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]));
    vec![
        raw("nothing", Vec::new(), "it is not a WebAssembly module"),
        raw(
            "text",
            b"export function transform() {}".to_vec(),
            "it is not a WebAssembly module",
        ),
        raw(
            "archive",
            b"PK\x03\x04\x14\x00\x00\x00".to_vec(),
            "it is not a WebAssembly module",
        ),
        raw(
            "header alone",
            module[..8].to_vec(),
            "neither built with redis-sync-guest",
        ),
        raw("half a module", half, "not valid WebAssembly"),
        raw(
            "flipped bit in the version",
            version,
            "it is not a WebAssembly module",
        ),
        raw("flipped bit in a length", section, "not valid WebAssembly"),
        raw("garbage after the header", garbage, "not valid WebAssembly"),
        raw(
            "machine code",
            std::iter::once(0x7f)
                .chain(*b"ELF")
                .chain([0; 100])
                .collect(),
            "it is not a WebAssembly module",
        ),
    ]
}
