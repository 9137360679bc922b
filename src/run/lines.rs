//! Files that grow line by line while a run goes on, and cutting off their ends.

use crate::error::{Error, Result};
use crate::files::{refuse_link, write_atomic};
use std::fs::{self, File, OpenOptions};
use std::path::Path;

/// Opens a file of the run for appending, and creates it if it is missing.
pub(super) fn append_to(path: &Path) -> Result<File> {
    refuse_link(path)?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|e| Error::file(path, format!("cannot be opened: {e}")))
}

/// Cuts a file off behind `length` bytes. Opens the file anew, because Windows cannot cut through a handle for appending.
pub(super) fn shorten(path: &Path, length: u64) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(length)).map_err(|e| Error::file(path, e))
}

/// Removes the lines of a file that are torn, or for which `keep` returns `None`, and returns the values of the others.
/// Cuts the file where that is enough, and else writes it anew.
pub(super) fn cut<T>(path: &Path, keep: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let content = fs::read(path).map_err(|e| Error::file(path, e))?;
    let (mut text, mut kept) = (vec![], vec![]);
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        let value = line.strip_suffix(b"\n").and_then(|line| keep(std::str::from_utf8(line).ok()?));
        if let Some(value) = value {
            text.extend_from_slice(line);
            kept.push(value);
        }
    }
    if content.starts_with(&text) {
        shorten(path, text.len() as u64)?;
    } else {
        write_atomic(path, &text)?;
    }
    Ok(kept)
}
