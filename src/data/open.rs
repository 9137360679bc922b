//! Opening a data set by its name, or from the bytes of a file.

use super::catalogue::Search;
use super::set::DataSet;
use super::{csv, embedded, idx, npz};
use crate::error::{Error, Result};
use std::path::Path;

impl DataSet {
    /// Opens a set by name – of the [`catalogue`](super::catalogue), or of a folder of IDX files – or `idx:DIR`, `csv:FILE`, `npz:FILE`.
    /// Folders are searched for where [`Search::new`] says.
    ///
    /// # Errors
    /// If the name is unknown, or a file is missing, damaged or inconsistent; the message names file and place.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_in(name, &Search::new(None))
    }

    /// [`Self::open`], with folders searched for in `search`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(name: &str, search: &Search) -> Result<Self> {
        let mut data = match name.split_once(':') {
            Some(("idx" | "csv" | "npz", "")) => {
                return Err(Error::config(format!("--data {name}: a path must follow the colon")));
            }
            None if name == "mnist" => embedded::mnist()?,
            None if name == "iris" => embedded::iris()?,
            Some(("idx", path)) => idx::read(Path::new(path), idx::STEMS)?,
            Some(("csv", path)) => csv::read(Path::new(path))?,
            Some(("npz", path)) => npz::read(Path::new(path))?,
            _ => search.open(name)?,
        };
        name.clone_into(&mut data.name);
        Ok(data)
    }

    /// Decodes an IDX file of images and the one of their labels, each raw or gzipped, under the names that messages give
    /// them. There is no test set.
    ///
    /// # Errors
    /// If one is damaged or they do not go together; the message names file and place.
    pub fn from_idx(images: (&Path, &[u8]), labels: (&Path, &[u8])) -> Result<Self> {
        fn source<'a>((path, bytes): (&Path, &'a [u8])) -> idx::Source<'a> {
            idx::Source { path: path.to_owned(), bytes: Box::new(bytes) }
        }
        idx::decode(idx::Pair { images: source(images), labels: source(labels) }, None)
    }

    /// Decodes CSV, one sample per line, features and then the class, under the name that messages give it.
    ///
    /// # Errors
    /// If it is damaged; the message names file and line.
    pub fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self> {
        csv::decode(path, bytes)
    }

    /// Decodes NPZ, NumPy's zip of arrays, under the name that messages give it.
    ///
    /// # Errors
    /// If it is damaged or lacks an array; the message names file and array.
    pub fn from_npz(path: &Path, bytes: &[u8]) -> Result<Self> {
        npz::decode(path, std::io::Cursor::new(bytes))
    }
}
