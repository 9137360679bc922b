//! How files are written: whole or not at all, and never through a symbolic link that someone else created.

use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// `value` as one line of JSON.
///
/// # Errors
/// Never for the types of this crate.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Run(format!("cannot be written as JSON: {e}")))
}

/// Most tensors of a safetensors file. The crate takes 800 bytes for each, many times what the header takes in the file.
const MOST_TENSORS: usize = 1 << 16;

/// Refuses a safetensors file whose header lists more tensors than [`MOST_TENSORS`]. `content` begins with the header.
///
/// # Errors
/// A text with both numbers.
pub(crate) fn check_tensors(content: &[u8]) -> std::result::Result<(), String> {
    let length = content.first_chunk::<8>().map_or(0, |&bytes| u64::from_le_bytes(bytes));
    let header = content.get(8..).unwrap_or_default();
    let header = &header[..usize::try_from(length).unwrap_or(usize::MAX).min(header.len())];
    match memchr::memmem::find_iter(header, b"\"data_offsets\"").count() {
        count if count > MOST_TENSORS => Err(format!("lists {count} tensors, more than {MOST_TENSORS}")),
        _ => Ok(()),
    }
}

/// The bytes of a safetensors file. Metadata stand in the order of their keys, so that the same content has the same bytes.
///
/// # Errors
/// If a tensor's bytes do not fit its shape.
pub(crate) fn safetensors_bytes<N: AsRef<str> + Ord + std::fmt::Display, V: safetensors::View>(
    tensors: impl IntoIterator<Item = (N, V)>,
    metadata: &BTreeMap<String, String>,
) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
    let plain = safetensors::serialize(tensors, None)?;
    if metadata.is_empty() {
        return Ok(plain);
    }
    // The crate keeps metadata in a hash map, whose order changes from run to run. The header is a JSON object behind its
    // length, padded to a multiple of 8 by blanks.
    let (length, rest) = plain.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
    let (header, content) = rest.split_at(length);
    let entries = serde_json::to_string(metadata).map_err(safetensors::SafeTensorError::JsonError)?;
    let header = String::from_utf8_lossy(header);
    let tensors = header.trim_end().trim_start_matches('{');
    let comma = if tensors == "}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{entries}{comma}{tensors}");
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok([&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), content].concat())
}

/// Writes a file atomically: `path` holds the old content or the new, never a part of it.
///
/// A symbolic link at `path` is replaced; its target is left alone. Devices and pipes are written directly, because
/// they cannot be renamed over. So are names directly in /dev and /dev/fd and everything in /proc, because
/// `/dev/stdout` may lead to a regular file.
///
/// # Errors
/// If the file cannot be written. The old file, if any, then still has its content.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
    // Only names directly in /dev, because /dev/shm holds regular files.
    let is_device = ["/dev", "/dev/fd"].iter().any(|place| path.parent() == Some(Path::new(place)));
    let is_system = cfg!(unix) && (is_device || path.starts_with("/proc"));
    if is_system || fs::metadata(path).is_ok_and(|target| !target.is_file() && !target.is_dir()) {
        return fs::write(path, bytes).map_err(failed);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two machines may share a directory, and in a container every program may be process 1. The time keeps names
    // apart.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let temporary = directory.join(format!(".{name}.{}.{:x}.tmp", std::process::id(), now.as_nanos()));
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename is durable only once the directory is synced. Only Unix lets a program open a directory for that.
        #[cfg(unix)]
        File::open(directory)?.sync_all()?;
        Ok(())
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&temporary);
        failed(e)
    })
}

/// Refuses a symbolic link at `path`, for files that are written in place: writing would change the file that the link
/// leads to.
pub(crate) fn refuse_link(path: &Path) -> Result<()> {
    match path.is_symlink() {
        true => Err(Error::file(path, "is a symbolic link, where a file of its own is written; remove it")),
        false => Ok(()),
    }
}

/// Whether `name` has the form of the temporary names of [`write_atomic`]: `.NAME.PROCESS.TIME.tmp`.
fn is_temporary(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    let Some((name, time)) = parts.and_then(|name| name.rsplit_once('.')) else { return false };
    let Some((name, process)) = name.rsplit_once('.') else { return false };
    !name.is_empty() && process.parse::<u32>().is_ok() && u128::from_str_radix(time, 16).is_ok()
}

/// Removes the temporary files that killed processes left in `directory` longer than `age` ago. No live process may
/// still be writing a file that old.
pub(crate) fn remove_unfinished(directory: &Path, age: Duration) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !is_temporary(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        if age.is_zero() || written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > age)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
