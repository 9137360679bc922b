//! The `homeostat` program: runs the command line and turns its result into the process exit code.

use homeostat::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With nobody to tell, on a full disk for instance, the exit code still says it.
            cli::tell(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
