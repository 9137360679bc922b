//! Signals that stop a command.
//!
//! After the first signal the command finishes the work on the device and saves its state. A second signal ends the
//! program at once.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// Number of the last signal that asked the program to stop; 0 = none.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

fn refuse(e: impl std::fmt::Display) -> Error {
    Error::Run(format!("cannot listen for signals: {e}"))
}

/// Returns a flag that the first SIGINT (Ctrl-C) or SIGTERM sets. The second signal ends the program.
#[cfg(unix)]
pub fn interrupt_flag() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The actions run in this order, so only a second signal finds the flag set. The shutdown happens inside the
        // handler, because the program may be waiting for something that the first signal did not end.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt)).map_err(refuse)?;
        flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize).map_err(refuse)?;
        flag::register(signal, Arc::clone(&interrupt)).map_err(refuse)?;
    }
    Ok(interrupt)
}

/// Makes a write beyond the file size limit return an error that names the file, and gives an allocation that fails the
/// exit code of missing memory. By default SIGXFSZ and SIGABRT would end the program.
pub fn outlive_limits() {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGABRT, SIGXFSZ};
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
        // Sizes are checked before they are allocated. For the rest, Rust says how much it could not allocate and aborts.
        let code = i32::from(Error::Device(String::new()).exit_code());
        let _ = signal_hook::flag::register_conditional_shutdown(SIGABRT, code, Arc::new(AtomicBool::new(true)));
    }
}

/// Returns a flag that the first Ctrl-C or Ctrl-Break sets. The second ends the program.
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

/// Turns an interruption into [`Error::Terminated`] if SIGTERM caused it, because the exit codes differ.
pub fn attributed(error: Error) -> Error {
    const SIGTERM: usize = 15;
    match (&error, SIGNAL.load(Ordering::Relaxed)) {
        (Error::Interrupted, SIGTERM) => Error::Terminated,
        _ => error,
    }
}
