//! Scratch memory that each thread keeps for the blocks and strips it works on.

use super::layout::{ROOM, ROW_ROOM};
use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Box<[f32]>> = RefCell::new(vec![0.0; ROOM + ROW_ROOM].into());
}

/// Lends the calling thread's scratch memory to `work`. `work` must not fork, because another task that the thread runs
/// meanwhile would borrow the same memory.
pub fn with_scratch<T>(work: impl FnOnce(&mut [f32]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}
