//! Reader of NPZ, NumPy's zip archive of arrays, stored or deflated.

use super::array::Array;
use super::collect::{Store, collect};
use super::npy_header;
use crate::data::raw::{Raw, ReadOptions};
use crate::data::read::{DEFLATE_RATIO, open_file};
use crate::error::{Error, Result};
use crate::text::one_line;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use zip::ZipArchive;

/// Reads the file at `path`.
///
/// # Errors
/// If the file is missing or damaged, or lacks an array; the message names the array and the element.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Raw> {
    decode(path, options, open_file(path)?)
}

/// Decodes `file`, the contents of the file at `path`.
///
/// # Errors
/// As [`read`].
pub fn decode(path: &Path, options: &ReadOptions, file: impl Read + Seek) -> Result<Raw> {
    let archive =
        ZipArchive::new(file).map_err(|e| Error::file(path, format!("is not an NPZ file, a zip of arrays: {e}")))?;
    let mut members: Vec<(String, usize)> = vec![];
    for index in 0..archive.len() {
        let Some(name) = archive.name_for_index(index) else { continue };
        let name = name.map_err(|e| Error::file(path, format!("holds a file whose name cannot be read: {e}")))?;
        if name.ends_with('/') || name.starts_with("__MACOSX/") {
            continue;
        }
        let name = name.rsplit('/').next().unwrap_or(&name);
        let end = name.len().saturating_sub(4);
        let is_npy = name.get(end..).is_some_and(|end| end.eq_ignore_ascii_case(".npy"));
        members.push((if is_npy { name[..end].to_owned() } else { name.to_owned() }, index));
    }
    members.sort();
    if let Some([(name, _), _]) = members.array_windows().find(|[(a, _), (b, _)]| a == b) {
        return Err(Error::file(path, format!("holds two arrays named {}", one_line(name))));
    }
    collect(&mut Npz { path, archive, members }, options)
}

/// An archive, and the names of its arrays with their places in it.
struct Npz<'p, F> {
    path: &'p Path,
    archive: ZipArchive<F>,
    members: Vec<(String, usize)>,
}

impl<F: Read + Seek> Store for Npz<'_, F> {
    fn path(&self) -> &Path {
        self.path
    }

    fn names(&self) -> Vec<String> {
        self.members.iter().map(|(name, _)| name.clone()).collect()
    }

    fn called(&self, name: &str) -> String {
        format!("array {}", one_line(name))
    }

    fn open(&mut self, name: &str) -> Result<Array<'_>> {
        let called = self.called(name);
        let error = |reason: String| Error::file(self.path, format!("{called}: {reason}"));
        let index = self.members.iter().find(|(member, _)| member == name).map(|(_, index)| *index);
        let entry = self.archive.by_index(index.unwrap_or(usize::MAX)).map_err(|e| error(e.to_string()))?;
        let (stored, claimed) = (entry.compressed_size(), entry.size());
        let mut reader = BufReader::new(entry);
        let (header, length) = npy_header::read(&mut reader).map_err(error)?;
        Ok(Array {
            path: self.path.to_owned(),
            called: Some(called),
            header,
            bytes: Box::new(reader),
            stored,
            most: claimed.saturating_sub(length).min(stored.saturating_mul(DEFLATE_RATIO)),
        })
    }
}
