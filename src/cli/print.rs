//! Printing of lines: results on stdout, messages for people on stderr.

use super::wording::as_flags;
use crate::error::{Error, Result};
use crate::text;
use anstream::AutoStream;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints one line on stdout, whatever names are in the line. If stdout is closed, the program ends with success, as if the reader had seen everything.
pub fn say(line: impl Display) -> Result<()> {
    say_of(false, line)
}

/// Prints one line on stdout about work that is `kept` in files or not. If it is kept, a closed stdout is not an error,
/// because the files still hold the result.
pub fn say_of(kept: bool, line: impl Display) -> Result<()> {
    write(kept, &text::line(line))
}

/// Prints a text of several lines on stdout, as [`say`] prints one. Names in the text must be lines already.
pub fn say_block(block: impl Display) -> Result<()> {
    write(false, &text::block(block))
}

/// Prints one line with styles on stdout, as [`say_of`] prints one. The styles are left out where nobody sees them: by
/// NO_COLOR, CLICOLOR and CLICOLOR_FORCE, and where stdout is no terminal. The line must hold no foreign text.
pub fn say_styled(kept: bool, line: &str) -> Result<()> {
    write_to(AutoStream::auto(std::io::stdout().lock()), kept, line)
}

fn write(kept: bool, text: &str) -> Result<()> {
    write_to(std::io::stdout().lock(), kept, text)
}

fn write_to(mut stdout: impl Write, kept: bool, text: &str) -> Result<()> {
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe && kept => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => Err(Error::file("standard output", e)),
    }
}

/// Prints help, the version or a usage error, and ends the process. Help that cannot be printed is an error.
pub fn ended(error: &clap::Error) -> Result<()> {
    let printed = error.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(e) if !error.use_stderr() && e.kind() != ErrorKind::BrokenPipe => Err(Error::file("standard output", e)),
        _ => std::process::exit(error.exit_code()),
    }
}

/// Prints one line on stderr. A failure is ignored, because it could not be reported anywhere.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", as_flags(&text::message(line)));
}

/// Prints one line with styles on stderr, as [`say_styled`] prints one on stdout, and ignores a failure.
pub fn tell_styled(line: &str) {
    let _ = writeln!(AutoStream::auto(std::io::stderr()), "{line}");
}
