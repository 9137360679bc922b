//! The `homeostat` program: runs the command line and turns its result into the process exit code.

use homeostat::cli;
use homeostat::error::Error;
use std::process::ExitCode;
use std::thread::JoinHandle;

/// Bytes of the stack of the main work, as much as systems give by default.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    quiet_drivers();
    bound_stacks();
    // A thread of its own has the stack that the program needs, whatever the limit of the process.
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(|| cli::run(std::env::args_os()));
    let outcome = match thread.map(JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        // The panic has said why.
        Ok(Err(_)) => return ExitCode::from(101),
        Err(e) => {
            Err(Error::Device(format!("no thread can be started: {e}; raise the limit of memory or of processes")))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With nobody to tell, on a full disk for instance, the exit code still says it.
            cli::tell(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Keeps Mesa from complaining on machines without a desktop. Its layer that orders adapters asks for a Wayland display, and the
/// library of Wayland prints an error if no folder for sockets is named, whatever the folder holds.
fn quiet_drivers() {
    const NAME: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(NAME).is_none_or(|folder| folder.is_empty()) {
        #[allow(unsafe_code)]
        // SAFETY: the program has no other thread yet, so nobody reads the environment.
        unsafe {
            std::env::set_var(NAME, std::env::temp_dir());
        }
    }
}

/// Takes back a size of stacks that no machine has. Otherwise no thread could start, and threads of dependencies would panic.
fn bound_stacks() {
    const NAME: &str = "RUST_MIN_STACK";
    const MOST: usize = 1 << 30;
    if std::env::var(NAME).is_ok_and(|size| size.parse::<usize>().is_ok_and(|size| size > MOST)) {
        #[allow(unsafe_code)]
        // SAFETY: the program has no other thread yet, so nobody reads the environment.
        unsafe {
            std::env::remove_var(NAME);
        }
    }
}
