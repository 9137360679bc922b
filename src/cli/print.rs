//! Printing of lines: results on stdout, messages for people on stderr.

use super::wording::as_flags;
use crate::error::{Error, Result};
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints a line on stdout. If stdout is closed, the program ends with success, as if the reader had seen everything.
pub fn say(line: impl Display) -> Result<()> {
    say_of(false, line)
}

/// Prints a line on stdout about work that is `kept` in files or not. If it is kept, a closed stdout is not an error,
/// because the files still hold the result.
pub fn say_of(kept: bool, line: impl Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", printable(line)).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe && kept => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::file("standard output", e)),
    }
}

/// Prints a line on stderr. A failure is ignored, because it could not be reported anywhere.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", as_flags(&printable(line)));
}

/// Replaces control characters, because names from foreign files could otherwise steer the terminal.
fn printable(text: impl Display) -> String {
    text.to_string().replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}
