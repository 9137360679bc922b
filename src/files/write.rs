//! Files that the user names as outputs: written whole or not at all, except where the name means a device or a pipe.

use super::folder::Entry;
use crate::error::{Error, Result};
use std::fs;
use std::path::Path;

/// Writes a file atomically: `path` holds the old content or the new, never a part of it.
///
/// A symbolic link at `path` is replaced; its target is left alone. Devices and pipes are written directly, because
/// they cannot be renamed over. So are names directly in /dev and /dev/fd and everything in /proc, because
/// `/dev/stdout` may lead to a regular file.
///
/// # Errors
/// If the file cannot be written. The old file, if any, then still has its content.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    // Only names directly in /dev, because /dev/shm holds regular files.
    let is_device = ["/dev", "/dev/fd"].iter().any(|place| path.parent() == Some(Path::new(place)));
    let is_system = cfg!(unix) && (is_device || path.starts_with("/proc"));
    if is_system || fs::metadata(path).is_ok_and(|target| !target.is_file() && !target.is_dir()) {
        return fs::write(path, bytes).map_err(|e| Error::file(path, format!("cannot be written: {e}")));
    }
    Entry::named(path).write(bytes)
}
