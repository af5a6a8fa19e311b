//! Functions in the place of the C library's, which the standard library's report of a panic brings into
//! every plugin. It looks up the environment, which is always empty, and the name of a folder, where there
//! are none: a third of a small plugin, an allocator included. And it writes to stderr, for which the host
//! would have to make every plugin's WASI calls those of a component: another module to compile, and
//! another instance in each run.
//!
//! What stands here stands for all of one object file of that library, so that it and the rest of the
//! library get along.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int};
use std::{ptr, str};

use crate::log::Level;

/// The folder that relative paths begin at.
#[unsafe(export_name = "__wasilibc_cwd")]
static mut FOLDER: *const c_char = ROOT.as_ptr();

const ROOT: &CStr = c"/";

#[unsafe(no_mangle)]
extern "C" fn getenv(_name: *const c_char) -> *mut c_char {
    ptr::null_mut()
}

/// Only into memory that it is given.
///
/// # Safety
/// `buffer` has `bytes` bytes, or is null.
#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(buffer: *mut c_char, bytes: usize) -> *mut c_char {
    // SAFETY: there is one thread, and whoever changes the folder leaves a C string there.
    let folder = unsafe { CStr::from_ptr(FOLDER) }.to_bytes_with_nul();
    if buffer.is_null() || bytes < folder.len() {
        return ptr::null_mut();
    }
    // SAFETY: so many bytes are there.
    unsafe { ptr::copy_nonoverlapping(folder.as_ptr().cast(), buffer, folder.len()) };
    buffer
}

/// A part of what is written.
#[repr(C)]
struct Part {
    start: *const u8,
    bytes: usize,
}

/// The line that has begun. A static of a program without threads, as the allocator's.
struct Line(UnsafeCell<(c_int, Vec<u8>)>);

// SAFETY: a plugin has one thread.
unsafe impl Sync for Line {}

static LINE: Line = Line(UnsafeCell::new((0, Vec::new())));

/// Lines of stdout and stderr become log lines. Nothing else is open.
///
/// # Safety
/// There are so many parts, each with its bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(stream: c_int, parts: *const Part, count: c_int) -> isize {
    let mut written = 0;
    for place in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: as above.
        let part = unsafe { &*parts.add(place) };
        // SAFETY: as above.
        match unsafe { write(stream, part.start, part.bytes) } {
            ..0 => return -1,
            more => written += more,
        }
    }
    written
}

/// The same for one part.
///
/// # Safety
/// It has those bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(stream: c_int, start: *const u8, bytes: usize) -> isize {
    if !matches!(stream, 1 | 2) {
        return -1;
    }
    // SAFETY: there is one thread, and what is called below does not come back here.
    let (of, line) = unsafe { &mut *LINE.0.get() };
    if *of != stream {
        tell(line);
        *of = stream;
    }
    for at in 0..bytes {
        // SAFETY: as above.
        match unsafe { start.add(at).read() } {
            b'\n' => tell(line),
            byte => line.push(byte),
        }
    }
    isize::try_from(bytes).unwrap_or(-1)
}

/// Ends the line that has begun.
pub(super) fn end_line() {
    // SAFETY: as above.
    let (_, line) = unsafe { &mut *LINE.0.get() };
    tell(line);
}

/// Logs a line, and empties it.
fn tell(line: &mut Vec<u8>) {
    if !line.is_empty() {
        super::write_log(Level::Info, str::from_utf8(line).unwrap_or("(not UTF-8)"));
    }
    line.clear();
}

/// Compares eight bytes at a time: maps of texts, and matches of field names, spend their time here. The
/// C library's compares one.
///
/// # Safety
/// Both have so many bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, bytes: usize) -> i32 {
    // SAFETY: every read is of bytes before the last. The last words may overlap with what is before
    // them, which is equal.
    unsafe {
        if let Some(last) = bytes.checked_sub(8) {
            let mut at = 0;
            while at < last {
                match words(one.add(at), other.add(at)) {
                    0 => at += 8,
                    different => return different,
                }
            }
            return words(one.add(last), other.add(last));
        }
        if let Some(last) = bytes.checked_sub(4) {
            return match half_words(one, other) {
                0 => half_words(one.add(last), other.add(last)),
                different => different,
            };
        }
        for at in 0..bytes {
            let different = i32::from(one.add(at).read()) - i32::from(other.add(at).read());
            if different != 0 {
                return different;
            }
        }
    }
    0
}

/// Compares eight bytes, of which the first counts most.
///
/// # Safety
/// Both have them.
#[inline]
unsafe fn words(one: *const u8, other: *const u8) -> i32 {
    // SAFETY: as above.
    let (one, other) = unsafe {
        (
            one.cast::<u64>().read_unaligned(),
            other.cast::<u64>().read_unaligned(),
        )
    };
    if one == other {
        return 0;
    }
    if one.swap_bytes() < other.swap_bytes() {
        -1
    } else {
        1
    }
}

/// Compares four.
///
/// # Safety
/// Both have them.
#[inline]
unsafe fn half_words(one: *const u8, other: *const u8) -> i32 {
    // SAFETY: as above.
    let (one, other) = unsafe {
        (
            one.cast::<u32>().read_unaligned(),
            other.cast::<u32>().read_unaligned(),
        )
    };
    if one == other {
        return 0;
    }
    if one.swap_bytes() < other.swap_bytes() {
        -1
    } else {
        1
    }
}
