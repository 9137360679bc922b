//! Starts the threads that all commands share, so that a system without threads gives an error of its own.

use crate::error::{Error, Result};
use std::env;

/// Names the variable that sets the number of threads.
const NAME: &str = "RAYON_NUM_THREADS";

/// Most threads that are started. Results do not depend on their number.
const MOST: usize = 1024;

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
