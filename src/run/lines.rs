//! Cuts off the ends of files that grow line by line during a run.

use crate::error::Result;
use crate::files::{self, Entry};

/// Removes the lines of a file that are torn, or for which `keep` returns `None`, and returns the values of the others.
/// Cuts the file where that is enough, and else writes it anew.
pub(super) fn cut<T>(entry: &Entry, keep: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let content = files::read(&entry.path(), files::LINES)?;
    let (mut text, mut kept) = (vec![], vec![]);
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        let value = line.strip_suffix(b"\n").and_then(|line| keep(std::str::from_utf8(line).ok()?));
        if let Some(value) = value {
            text.extend_from_slice(line);
            kept.push(value);
        }
    }
    if content.starts_with(&text) {
        entry.shorten(text.len() as u64)?;
    } else {
        entry.write(&text)?;
    }
    Ok(kept)
}
