//! Copies of short texts. WebAssembly's own instruction for copying is a call of the host each time, which
//! takes longer than they do.

use std::ptr;

/// Up to here a text is copied word by word.
const SHORT: usize = 64;

pub(crate) fn owned(text: &str) -> String {
    let length = text.len();
    if length > SHORT {
        return text.to_owned();
    }
    let mut bytes = Vec::<u8>::with_capacity(length);
    // SAFETY: so many bytes are there at both, which do not overlap; and they are text.
    unsafe {
        copy(text.as_ptr(), bytes.as_mut_ptr(), length);
        bytes.set_len(length);
        String::from_utf8_unchecked(bytes)
    }
}

/// The last word may overlap with the one before it.
///
/// # Safety
/// Both have so many bytes.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: no word ends behind the last byte.
    unsafe {
        if let Some(last) = length.checked_sub(8) {
            let mut at = 0;
            while at < last {
                word::<u64>(from, to, at);
                at += 8;
            }
            word::<u64>(from, to, last);
        } else if let Some(last) = length.checked_sub(4) {
            word::<u32>(from, to, 0);
            word::<u32>(from, to, last);
        } else {
            for at in 0..length {
                word::<u8>(from, to, at);
            }
        }
    }
}

/// # Safety
/// Both have a word there.
#[inline]
unsafe fn word<T>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: as above.
    unsafe {
        let word = ptr::read_unaligned(from.add(at).cast::<T>());
        ptr::write_unaligned(to.add(at).cast::<T>(), word);
    }
}
