//! Reader of NPY files: the files of one set lie in one folder, each with one array, and their names say which is which.

use super::array::Array;
use super::collect::{Store, collect};
use super::names::{Known, Role, known, partner};
use super::npy_header;
use crate::data::raw::{Raw, ReadOptions};
use crate::data::read::{open_file, open_sized};
use crate::error::{Error, Result};
use crate::text::one_line;
use std::fs;
use std::path::{Path, PathBuf};

/// Reads a folder of NPY files, or the file at `path` and those beside it that belong to it: `y.npy` for `x.npy`,
/// `y_train.npy`, `x_test.npy` and `y_test.npy` for `x_train.npy`. With columns to match, only the file and its labels
/// are read, and the labels may be missing.
///
/// # Errors
/// If a file is missing or damaged; the message names the file and the element, or the files that were looked for.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Raw> {
    if path.is_dir() {
        let files = files(path)?;
        return collect(&mut Files { path, files }, options);
    }
    open_file(path)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::file(path, "has a name that is no UTF-8"))?;
    let stem = stem(name).unwrap_or(name);
    let alone = |path: &Path| vec![(stem.to_owned(), path.to_owned())];
    let Some(this) = known(stem) else {
        if options.expected.is_some() {
            return collect(&mut Files { path, files: alone(path) }, options);
        }
        return Err(Error::file(
            path,
            "has a name that does not say what it holds; rename it to x.npy and the labels to y.npy, or store both as NPZ",
        ));
    };
    if this.role == Role::Labels {
        return Err(Error::file(path, "holds labels, as its name says; give the file of the samples, such as x.npy"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let belongs = |other: &Known| {
        let is_part = options.expected.is_none() || other.part == this.part;
        other.rest == this.rest && is_part && (other.role == Role::Labels || other.is_same_word(&this))
    };
    let mut kin = alone(path);
    // The words that all names share would hide what the arrays are.
    let strip = |stem: &str| if this.rest.is_empty() { stem.to_owned() } else { without(stem, &this.rest) };
    for (other, place) in files(folder)? {
        if other != stem && known(&other).is_some_and(|known| belongs(&known)) {
            kin.push((other, place));
        }
    }
    if options.expected.is_none() && !kin.iter().any(|(name, _)| known(name).is_some_and(|k| k.role == Role::Labels)) {
        let wanted = partner(stem);
        return Err(Error::file(
            path,
            format!(
                "there is no file of labels beside it; looked for {wanted}.npy and other spellings of y, labels and target"
            ),
        ));
    }
    let files = kin.into_iter().map(|(name, place)| (strip(&name), place)).collect();
    collect(&mut Files { path: folder, files }, options)
}

/// The name of a file without `.npy`.
fn stem(name: &str) -> Option<&str> {
    let end = name.len().checked_sub(4)?;
    name.get(end..)?.eq_ignore_ascii_case(".npy").then(|| &name[..end])
}

/// The words of `name` without those of `rest`, which are joined by `_`.
fn without(name: &str, rest: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric());
    let left = words.filter(|word| !rest.split('_').any(|known| known == word.to_lowercase()));
    left.collect::<Vec<_>>().join("_")
}

/// The NPY files of a folder in the order of their names, each under its name without `.npy`.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |e: std::io::Error| Error::file(folder, format!("cannot be listed: {e}"));
    let mut files = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if let Some(stem) = name.to_str().filter(|name| !name.starts_with('.')).and_then(stem) {
            files.push((stem.to_owned(), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Files by the names of their arrays.
struct Files<'p> {
    path: &'p Path,
    files: Vec<(String, PathBuf)>,
}

impl Store for Files<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn names(&self) -> Vec<String> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }

    fn called(&self, name: &str) -> String {
        match self.files.iter().find(|(file, _)| file == name) {
            Some((_, path)) => {
                path.file_name().map_or_else(|| one_line(name), |file| one_line(&file.to_string_lossy()))
            }
            None => format!("{}.npy", one_line(name)),
        }
    }

    fn open(&mut self, name: &str) -> Result<Array<'_>> {
        let path = self.files.iter().find(|(file, _)| file == name).map(|(_, path)| path.clone());
        let path = path.ok_or_else(|| Error::file(self.path, format!("{}.npy is missing", one_line(name))))?;
        let (mut reader, length) = open_sized(&path)?;
        let (header, taken) = npy_header::read(&mut reader).map_err(|reason| Error::file(&path, reason))?;
        let left = length.unwrap_or(0).saturating_sub(taken);
        Ok(Array { path, called: None, header, bytes: Box::new(reader), stored: left, most: left })
    }
}
