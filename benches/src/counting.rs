//! An allocator that counts, over the system's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// The system's allocator, with a count of what it is asked for.
pub struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

/// Allocations and reallocations so far.
pub fn allocations() -> u64 {
    COUNT.load(Relaxed)
}

/// Bytes that are allocated now, as asked for.
pub fn held() -> i64 {
    HELD.load(Relaxed)
}

// Some of what is measured has threads, so these are additions that lose nothing.
fn count(grown: i64) {
    COUNT.fetch_add(1, Relaxed);
    HELD.fetch_add(grown, Relaxed);
}

const fn bytes(size: usize) -> i64 {
    size.cast_signed() as i64
}

// SAFETY: everything is passed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(bytes(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(bytes(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(bytes(size) - bytes(layout.size()));
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(bytes(layout.size()), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}
