//! SHA-256 over parts that cannot run into one another.

use crate::number::to_u64;
use sha2::{Digest, Sha256};

/// Collects parts.
#[derive(Clone, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part; its length goes before it.
    pub fn part(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.update(to_u64(bytes.len()).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds parts and their number.
    pub fn parts<T: AsRef<[u8]>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        let (all, number) = parts
            .into_iter()
            .fold((self, 0_u64), |(all, number), part| {
                (all.part(part), number + 1)
            });
        all.part(number.to_le_bytes())
    }

    /// Adds a part that may be missing.
    pub fn optional(self, part: Option<impl AsRef<[u8]>>) -> Self {
        self.parts(part)
    }

    /// The digest.
    pub fn bytes(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// The digest in hexadecimal.
    pub fn hex(self) -> String {
        hex(&self.bytes())
    }

    /// The first half of it, for what is kept of every object in Redis: 128 bits.
    pub fn short(self) -> String {
        let mut digest = self.hex();
        digest.truncate(32);
        digest
    }
}

/// SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal: `hex::encode` goes letter by letter, which is a twentieth of a full sync.
pub fn hex(bytes: &[u8]) -> String {
    let mut letters = vec![0; 2 * bytes.len()];
    // There is room for all of them.
    let _ = hex::encode_to_slice(bytes, &mut letters);
    String::from_utf8(letters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_one_another() {
        let one = Fingerprint::new().part("ab").part("c").hex();
        assert_ne!(one, Fingerprint::new().part("a").part("bc").hex());
        let nothing: Option<&str> = None;
        assert_ne!(
            Fingerprint::new().optional(nothing).hex(),
            Fingerprint::new().optional(Some("")).hex()
        );
    }

    #[test]
    fn a_digest_is_written_as_sha256sum_writes_it() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
