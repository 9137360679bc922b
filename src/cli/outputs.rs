//! Where a command may write: never over its own input, and over another file only with `--force`.

use crate::error::{Error, Result};
use std::path::Path;

/// Refuses to write over what is read to make it: one of `sources`, or what is in a directory among them and is no page.
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

/// Refuses to write over a file, unless `force`.
pub fn check_free(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a directory; give the name of a file"));
    }
    if path.exists() && !force {
        return Err(Error::file(path, "already exists; give another name, or --force to replace it"));
    }
    Ok(())
}
