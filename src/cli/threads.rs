//! The stack of the program and the threads that all commands share, so that limits of a system give errors of their own.

use crate::error::{Error, Result};
use crate::memory;
use std::env;

/// Names the variable that sets the number of threads.
const NAME: &str = "RAYON_NUM_THREADS";

/// Bytes of a stack that suffices.
const STACK: u64 = 4 << 20;

/// Bytes of a thread's stack, unless `RUST_MIN_STACK` says otherwise.
const STACK_OF_THREAD: u64 = 2 << 20;

/// Most threads that are started. Results do not depend on their number.
const MOST: usize = 1024;

/// Does `work`, on a thread of its own where the process has too small a stack. Elsewhere the main thread does it, because
/// every thread takes a share of the address space.
///
/// # Errors
/// The error of the work, or [`Error::Device`] if a thread is needed and cannot be started.
pub fn with_stack(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    if memory::limit("Max stack size").is_none_or(|bytes| bytes >= STACK) {
        return work();
    }
    let thread = std::thread::Builder::new().stack_size(STACK as usize).spawn(work);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(e) => Err(Error::Device(format!("no thread can be started: {e}; raise the limit of the stack"))),
    }
}

/// Starts one thread per core, or as many as the environment says.
///
/// # Errors
/// [`Error::Device`] if the number is absurd, or if the system starts no such number of threads.
pub fn start() -> Result<()> {
    let given = env::var(NAME).ok().and_then(|text| text.parse::<usize>().ok());
    if let Some(count) = given.filter(|&count| count > MOST) {
        return Err(Error::Device(format!("{NAME}={count}: at most {MOST} threads are started; unset the variable")));
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
    let threads = given.filter(|&count| count > 0).unwrap_or_else(cores);
    // Asked before any thread starts: threads that fill the address space may leave no byte for the error.
    if memory::limit("Max address space").is_some_and(|bytes| threads as u64 > bytes / STACK_OF_THREAD) {
        return Err(Error::Device(format!(
            "{threads} threads cannot be started: their stacks exceed the limit of the address space; set {NAME} to a smaller number"
        )));
    }
    // A program that calls `run` may have started the threads before.
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        Err(e) if std::error::Error::source(&e).is_some() => {
            Err(Error::Device(format!("{threads} threads cannot be started: {e}; set {NAME} to a smaller number")))
        }
        _ => {
            // Every thread takes its share of the address space now, so that plans know what a limit leaves.
            rayon::broadcast(|_| ());
            Ok(())
        }
    }
}
