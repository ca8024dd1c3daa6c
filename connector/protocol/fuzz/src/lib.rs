//! What all fuzz targets share: an allocator that ends the run where one allocation is far beyond what any input may cause.
//!
//! Without a sanitizer libFuzzer sees only memory that is touched; a length that was believed reserves without touching.

use std::alloc::{GlobalAlloc, Layout, System};

/// Largest single allocation: inputs are at most 64 KiB, and nothing that is read from one is a hundred times as large.
const LARGEST: usize = 8 << 20;

struct Bounded;

fn bounded(size: usize) {
    if size > LARGEST {
        // A panic would allocate, and might be caught.
        std::process::abort();
    }
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        bounded(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        bounded(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        bounded(size);
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;
