//! Signals that ask a command to stop. The first lets it finish what the device is doing and keep its state; the second ends
//! the program at once.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// Number of the last signal that asked to stop; 0 = none.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

fn refuse(e: impl std::fmt::Display) -> Error {
    Error::Run(format!("cannot listen for signals: {e}"))
}

/// A flag that the first SIGINT (Ctrl-C) or SIGTERM sets; the second ends the program.
#[cfg(unix)]
pub fn interrupt_flag() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Run in this order: only a second signal finds the flag set. It ends the program inside the handler, so nothing that
        // the first one waits for can hold it up.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt)).map_err(refuse)?;
        flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize).map_err(refuse)?;
        flag::register(signal, Arc::clone(&interrupt)).map_err(refuse)?;
    }
    Ok(interrupt)
}

/// A file that may not grow further is an error that names it, and not the end of the program.
pub fn outlive_limits() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// A flag that the first Ctrl-C or Ctrl-Break sets; the second ends the program.
#[cfg(not(unix))]
pub fn interrupt_flag() -> Result<Arc<AtomicBool>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&interrupt);
    let stop = move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Error::Interrupted.exit_code()));
        }
    };
    ctrlc::set_handler(stop).map_err(refuse)?;
    Ok(interrupt)
}

/// An interruption by the name of the signal that caused it.
pub fn attributed(error: Error) -> Error {
    const SIGTERM: usize = 15;
    match (&error, SIGNAL.load(Ordering::Relaxed)) {
        (Error::Interrupted, SIGTERM) => Error::Terminated,
        _ => error,
    }
}
