//! How lines are printed: on stdout for the result, on stderr for people.

use crate::error::{Error, Result};
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints a line on stdout. Nobody reading any more is no error: the program ends as if it had been done.
pub fn say(line: impl Display) -> Result<()> {
    say_of(false, line)
}

/// Prints a line about work whose outcome may be `kept` in files: then that nobody reads it any more is no reason to stop.
pub fn say_of(kept: bool, line: impl Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", printable(line)).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe && kept => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::file("standard output", e)),
    }
}

/// Prints a line on stderr; if that fails there is nobody left to tell.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", printable(line));
}

/// Text without the characters that steer a terminal: names in it may come from somebody's file.
fn printable(text: impl Display) -> String {
    text.to_string().replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}
