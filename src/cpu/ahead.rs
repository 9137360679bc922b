//! Fetching values from memory before they are needed.

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
