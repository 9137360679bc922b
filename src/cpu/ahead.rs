//! Values that are read from memory at random places: fetching them before they are needed, and large pages for them.

/// Bytes in a cache line.
const LINE: usize = 64;

/// Asks for `values` in the processor's second-level cache, and does not wait for them. No value is read, so no result depends
/// on it.
#[inline(always)]
#[allow(unsafe_code)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for part in values.chunks(LINE / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: the address lies in a slice, and a prefetch changes nothing but caches.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(part.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, LINE);
}

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

/// Asks the system to put `values`, which nobody has touched yet, into large pages, so that the processor finds a row at a random
/// place without walking through tables of pages. Systems that refuse lose nothing but time.
#[allow(unsafe_code)]
pub fn in_large_pages<T>(values: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let whole = values.as_mut_ptr_range();
        let (first, end) =
            (whole.start.addr().next_multiple_of(LARGE_PAGE), whole.end.addr() / LARGE_PAGE * LARGE_PAGE);
        if first < end {
            let start = whole.start.with_addr(first);
            // SAFETY: the pages lie within the slice, and the advice changes no value.
            let _ = unsafe { madvise(start.cast(), end - first, Advice::LinuxHugepage) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = values;
}
