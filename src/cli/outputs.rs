//! Checks on output files: a command never overwrites its input, and overwrites other files only with `--force`.

use crate::error::{Error, Result};
use std::path::Path;

/// Refuses to overwrite an input: a file in `sources`, or any file in a directory of `sources` except pages (`.html`,
/// `.md`, `.txt`).
pub fn refuse_source(out: &Path, sources: &[impl AsRef<Path>]) -> Result<()> {
    let Ok(place) = out.canonicalize() else { return Ok(()) };
    let is_page =
        place.extension().is_some_and(|extension| ["html", "md", "txt"].iter().any(|page| extension == *page));
    let reads = |source: &Path| source == place || (place.starts_with(source) && !is_page);
    match sources.iter().any(|source| source.as_ref().canonicalize().is_ok_and(|source| reads(&source))) {
        true => Err(Error::file(out, "is what is read here; give another file to write to")),
        false => Ok(()),
    }
}

/// Refuses a device or a pipe where the command line did not name the file. Somebody else may have put it there.
pub fn refuse_special(path: &Path) -> Result<()> {
    match path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        true => Err(Error::file(path, "is a device or a pipe; name it by --out to write to it")),
        false => Ok(()),
    }
}

/// Refuses to overwrite a file unless `force` is set, and refuses a directory.
pub fn check_free(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a directory; give the name of a file"));
    }
    if path.exists() && !force {
        return Err(Error::file(path, "already exists; give another name, or --force to replace it"));
    }
    Ok(())
}
