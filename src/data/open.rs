//! Opens data sets by name, and decodes them from the bytes of a file.

use super::catalogue::Search;
#[cfg(feature = "npz")]
use super::npz;
use super::set::DataSet;
use super::{csv, embedded, idx};
use crate::error::{Error, Result};
use std::path::Path;

impl DataSet {
    /// Opens a set by name, or a file as `idx:DIR`, `csv:FILE` or `npz:FILE`. A name is one of the
    /// [`catalogue`](super::catalogue) or that of a folder of IDX files. Folders are searched for as [`Search::new`]
    /// describes.
    ///
    /// # Errors
    /// If the name is unknown, or if a file is missing, damaged or inconsistent; the message names the file and the
    /// place.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_in(name, &Search::new(None))
    }

    /// Like [`Self::open`], but searches for folders with `search`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(name: &str, search: &Search) -> Result<Self> {
        let mut data = match name.split_once(':') {
            Some(("idx" | "csv" | "npz", "")) => {
                return Err(Error::config(format!("`data = {name}`: a path must follow the colon")));
            }
            None if name == "mnist" => embedded::mnist()?,
            None if name == "iris" => embedded::iris()?,
            Some(("idx", path)) => idx::read(Path::new(path), idx::STEMS)?,
            Some(("csv", path)) => csv::read(Path::new(path))?,
            #[cfg(feature = "npz")]
            Some(("npz", path)) => npz::read(Path::new(path))?,
            #[cfg(not(feature = "npz"))]
            Some(("npz", path)) => {
                return Err(Error::file(path, "cannot be read: this build of homeostat lacks the Cargo feature `npz`"));
            }
            _ => search.open(name)?,
        };
        name.clone_into(&mut data.name);
        Ok(data)
    }

    /// Decodes an IDX file of images and one of labels, each raw or gzipped. Messages call them by the given paths. The
    /// set has no test set.
    ///
    /// # Errors
    /// If a file is damaged or the two do not match; the message names the file and the place.
    pub fn from_idx(images: (&Path, &[u8]), labels: (&Path, &[u8])) -> Result<Self> {
        fn source<'a>((path, bytes): (&Path, &'a [u8])) -> idx::Source<'a> {
            idx::Source { path: path.to_owned(), bytes: Box::new(bytes) }
        }
        idx::decode(idx::Pair { images: source(images), labels: source(labels) }, None)
    }

    /// Decodes CSV: one sample per line, features and then the class. Messages call it by `path`.
    ///
    /// # Errors
    /// If the text is damaged; the message names the file and the line.
    pub fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self> {
        csv::decode(path, bytes)
    }

    /// Decodes NPZ, NumPy's zip of arrays. Messages call it by `path`.
    ///
    /// # Errors
    /// If the file is damaged or lacks an array; the message names the file and the array.
    #[cfg(feature = "npz")]
    pub fn from_npz(path: &Path, bytes: &[u8]) -> Result<Self> {
        npz::decode(path, std::io::Cursor::new(bytes))
    }
}
