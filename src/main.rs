//! The `homeostat` program: runs the command line and turns its result into the process exit code.

use homeostat::cli;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_drivers();
    bound_stacks();
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr cannot be written, on a full disk for instance, the exit code still reports the failure.
            cli::tell(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Keeps Mesa from complaining on machines without a desktop. Its layer that orders adapters asks for a Wayland display, and the
/// library of Wayland prints an error if no folder for sockets is named by an absolute path, whatever the folder holds.
fn quiet_drivers() {
    const NAME: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(NAME).is_none_or(|folder| !Path::new(&folder).is_absolute()) {
        #[allow(unsafe_code)]
        // SAFETY: the program has no other thread yet, so nobody reads the environment.
        unsafe {
            std::env::set_var(NAME, std::env::temp_dir());
        }
    }
}

/// Takes back a size of stacks that no machine has, because no thread could start, and threads of dependencies would panic;
/// and one in which no thread could work.
fn bound_stacks() {
    const NAME: &str = "RUST_MIN_STACK";
    const SOUND: std::ops::RangeInclusive<usize> = 1 << 20..=1 << 30;
    if std::env::var(NAME).is_ok_and(|size| size.parse().is_ok_and(|size| !SOUND.contains(&size))) {
        #[allow(unsafe_code)]
        // SAFETY: the program has no other thread yet, so nobody reads the environment.
        unsafe {
            std::env::remove_var(NAME);
        }
    }
}
