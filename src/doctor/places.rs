//! The folders that training uses: where runs go, where measured tiles are kept, and where data sets lie.

use crate::data::catalogue::{CATALOGUE, Search};
use crate::gpu;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A folder or file of the program.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Its path; it need not exist yet.
    pub path: PathBuf,
    /// Whether it, or the folder in which it would be created, can be written.
    pub writable: bool,
    /// Bytes that are free there; `None` on systems that are not asked.
    pub free: Option<u64>,
}

impl Place {
    fn at(path: PathBuf) -> Self {
        // The path may be relative, and its parent is then the empty path.
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let existing = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(&absolute);
        let (writable, free) = room(existing);
        Self { path, writable, free }
    }
}

/// Whether the folder can be written, and the bytes free there.
#[cfg(unix)]
fn room(folder: &Path) -> (bool, Option<u64>) {
    use rustix::fs::{Access, access, statvfs};
    let free = statvfs(folder).ok().map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    (access(folder, Access::WRITE_OK).is_ok(), free)
}

#[cfg(not(unix))]
fn room(folder: &Path) -> (bool, Option<u64>) {
    (folder.metadata().is_ok_and(|found| !found.permissions().readonly()), None)
}

/// The folder of runs without a folder of their own.
#[must_use]
pub fn runs() -> Place {
    Place::at(PathBuf::from("runs"))
}

/// The file of measured tiles; `None` if the build or the system has none.
#[must_use]
pub fn tiles() -> Option<Place> {
    gpu::measured_tiles().map(Place::at)
}

/// A data set that can be named.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The name.
    pub name: String,
    /// Its folder; `None` if it is built in.
    pub path: Option<PathBuf>,
}

/// The data sets that are here.
#[must_use]
pub fn data_sets() -> Vec<Found> {
    let search = Search::new(None);
    let known = CATALOGUE.iter().filter_map(|set| {
        let path = search.find(set.name);
        (set.files.is_none() || path.is_some()).then(|| Found { name: set.name.to_owned(), path })
    });
    known.chain(search.local().into_iter().map(|(name, path)| Found { name, path: Some(path) })).collect()
}
