//! What the host hands over, where the canonical ABI puts it.

use std::collections::BTreeMap;
use std::slice;

use crate::Object;

/// Memory that now belongs to this instance.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Block<T> {
    start: *mut T,
    length: usize,
}

/// What there may be none of.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Optional<T> {
    is_there: u8,
    value: T,
}

/// The record `object`.
#[repr(C)]
pub struct Given {
    bucket: Block<u8>,
    key: Block<u8>,
    etag: Block<u8>,
    version_id: Optional<Block<u8>>,
    last_modified: u64,
    content_type: Optional<Block<u8>>,
    metadata: Block<[Block<u8>; 2]>,
    body: Block<u8>,
}

/// Only the host hands it over, to the one thread that there is.
// SAFETY: nothing else has these pointers.
unsafe impl Sync for Given {}

impl Given {
    /// The object, of which each part takes over its block.
    ///
    /// # Safety
    ///
    /// It is called once.
    pub(super) unsafe fn object(&self) -> Object {
        let mut metadata = BTreeMap::new();
        // One at a time: collecting them would take a sort, which is 6 KB of code.
        for [name, value] in self.metadata.items() {
            metadata.insert(name.text(), value.text());
        }
        Object {
            bucket: self.bucket.text(),
            key: self.key.text(),
            etag: self.etag.text(),
            version_id: self.version_id.text(),
            last_modified_ms: self.last_modified,
            content_type: self.content_type.text(),
            metadata,
            body: self.body.bytes(),
        }
    }
}

impl<T> Block<T> {
    pub(super) fn items(&self) -> &[T] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: the host has written so many of them there, and told nobody else.
        unsafe { slice::from_raw_parts(self.start, self.length) }
    }
}

impl Block<u8> {
    /// Takes the bytes, which the allocator has given out for them. It is called once for a block.
    fn bytes(self) -> Vec<u8> {
        if self.length == 0 {
            return Vec::new();
        }
        // SAFETY: `cabi_realloc` has allocated exactly these, with the alignment of bytes.
        unsafe { Vec::from_raw_parts(self.start, self.length, self.length) }
    }

    pub(super) fn text(self) -> String {
        // SAFETY: the host hands over valid UTF-8, as the canonical ABI has it.
        unsafe { String::from_utf8_unchecked(self.bytes()) }
    }
}

impl Optional<Block<u8>> {
    pub(super) fn text(self) -> Option<String> {
        (self.is_there == 1).then(|| self.value.text())
    }
}
