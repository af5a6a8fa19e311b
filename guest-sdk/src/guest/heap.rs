//! The plugin's memory. An instance lives for one object, so nothing is ever given back to the host:
//! what is freed is kept by its size, for the next of that size, and what is taken for the first time
//! comes from the end of the memory. That is a fraction of the code of an allocator for programs that go on.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

/// What small objects get along with: memory that is there from the start, so that they need not ask
/// for any.
const FIRST: usize = 32 << 10;

/// Up to here there is a size for every step of 8 bytes, beyond it four for every doubling.
const SMALL: usize = 128;

/// Sizes that are told apart: 16 small ones, and four for each power of two up to all memory.
const SIZES: usize = 17 + 4 * 25;

/// A page of WebAssembly's memory, in bytes.
const PAGE: usize = 64 << 10;

#[cfg_attr(feature = "heap", global_allocator)]
#[cfg_attr(
    not(feature = "heap"),
    expect(dead_code, reason = "another allocator is in use")
)]
static HEAP: Heap = Heap(UnsafeCell::new(State {
    next: 0,
    end: 0,
    freed: [ptr::null_mut(); SIZES],
}));

#[repr(C, align(16))]
struct First(UnsafeCell<[u8; FIRST]>);

static FIRST_MEMORY: First = First(UnsafeCell::new([0; FIRST]));

struct Heap(UnsafeCell<State>);

/// A block that nobody uses.
struct Freed {
    /// Another one of its size.
    other: *mut Self,
}

struct State {
    /// What has never been used begins here,
    next: usize,
    /// and ends here.
    end: usize,
    /// What was freed, by size.
    freed: [*mut Freed; SIZES],
}

// SAFETY: a plugin has one thread.
unsafe impl Sync for Heap {}
// SAFETY: as above.
unsafe impl Sync for First {}

/// The bytes that are taken where so many are asked for, and the number of that size.
#[inline]
fn size_of(bytes: usize) -> (usize, usize) {
    if bytes <= SMALL {
        let size = (bytes + 7) >> 3;
        return (size << 3, size);
    }
    // The two bits after the highest one are the step within the doubling.
    let doubling = usize::BITS - 1 - (bytes - 1).leading_zeros();
    let shift = doubling - 2;
    let steps = ((bytes - 1) >> shift) + 1;
    let size = steps << shift;
    let place = 17 + 4 * (usize::try_from(doubling).unwrap_or(0) - 7) + (steps - 5);
    (size, place)
}

impl State {
    /// The next bytes that were never used, which are zero.
    fn fresh(&mut self, size: usize, align: usize) -> *mut u8 {
        loop {
            let start = self.next.next_multiple_of(align.max(8));
            let end = start.saturating_add(size);
            if end <= self.end {
                self.next = end;
                return ptr::with_exposed_provenance_mut(start);
            }
            if !self.grow(end - self.end.min(end), size.saturating_add(align)) {
                return ptr::null_mut();
            }
        }
    }

    /// Has so many bytes more: behind the last ones where the memory's end is there, else elsewhere.
    #[cold]
    fn grow(&mut self, missing: usize, all: usize) -> bool {
        if self.end == 0 {
            self.next = FIRST_MEMORY.0.get().expose_provenance();
            self.end = self.next + FIRST;
            return true;
        }
        let pages = core::arch::wasm32::memory_size::<0>();
        let is_behind = pages * PAGE == self.end;
        let needed = if is_behind { missing } else { all }.div_ceil(PAGE);
        // A host call each time, so an eighth of all at a time.
        let before = core::arch::wasm32::memory_grow::<0>(needed.max(pages / 8).max(1));
        if before == usize::MAX {
            return false;
        }
        if !is_behind {
            self.next = before * PAGE;
        }
        self.end = core::arch::wasm32::memory_size::<0>() * PAGE;
        true
    }

    /// One of that size that was freed.
    #[inline]
    fn again(&mut self, place: usize) -> Option<*mut u8> {
        let head = self.freed.get_mut(place)?;
        if head.is_null() {
            return None;
        }
        let block = *head;
        // SAFETY: `free` has written the address of the next one there.
        *head = unsafe { (*block).other };
        Some(block.cast())
    }

    #[inline]
    fn free(&mut self, block: *mut u8, place: usize) {
        if let Some(head) = self.freed.get_mut(place) {
            let block: *mut Freed = block.cast();
            // SAFETY: every size has room for an address, and the block belongs to nobody any more.
            unsafe { block.write(Freed { other: *head }) };
            *head = block;
        }
    }
}

// SAFETY: blocks are disjoint, as large and aligned as they are asked for, and stay where they are.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and nothing of this calls back.
        let state = unsafe { &mut *self.0.get() };
        let (size, place) = size_of(layout.size());
        if layout.align() <= 8
            && let Some(block) = state.again(place)
        {
            return block;
        }
        state.fresh(size, layout.align())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let state = unsafe { &mut *self.0.get() };
        let (size, place) = size_of(layout.size());
        match state.again(place) {
            Some(block) if layout.align() <= 8 => {
                // SAFETY: it has that size.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            _ => state.fresh(size, layout.align()),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let state = unsafe { &mut *self.0.get() };
        state.free(block, size_of(layout.size()).1);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above.
        let state = unsafe { &mut *self.0.get() };
        let (old, place) = size_of(layout.size());
        let (new, _) = size_of(bytes);
        if new <= old {
            return block;
        }
        let start = block.addr();
        let is_last = start + old == state.next;
        if is_last && start + new <= state.end {
            state.next = start + new;
            return block;
        }
        // SAFETY: the alignment is that of a layout, and the size is one that is asked for.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(bytes, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both have so many bytes, and they are two blocks.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
            state.free(block, place);
        }
        moved
    }
}

/// What the host takes memory through, for what it hands over.
///
/// # Safety
/// What is given back was taken so, with that size and alignment.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_bytes: usize,
    align: usize,
    bytes: usize,
) -> *mut u8 {
    if bytes == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: the canonical ABI asks for powers of two, and for sizes within the memory.
    unsafe {
        if old_bytes == 0 {
            std::alloc::alloc(Layout::from_size_align_unchecked(bytes, align))
        } else {
            let layout = Layout::from_size_align_unchecked(old_bytes, align);
            std::alloc::realloc(old, layout, bytes)
        }
    }
}
