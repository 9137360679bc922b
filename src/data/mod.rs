//! Data sets: one resident store of rows with labels, and the splits of its row numbers.
//!
//! Each format has its reader below. Readers trust nothing: sizes are checked against the bytes that really follow, and
//! memory grows with these, not with what a header claims.

pub mod catalogue;
mod csv;
mod digit;
pub mod distort;
mod embedded;
pub mod fetch;
mod idx;
mod image;
mod npz;
mod read;
mod split;
pub mod sums;

pub use catalogue::Search;
pub use image::Image;
pub use read::MAX_LABEL;
pub use split::{DEFAULT_TEST_FRACTION, Split};

use crate::error::{Error, Result};
use crate::memory::Array;
use std::path::Path;

/// The features of all samples, row-major `[samples, features]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Bytes; feature = byte · (1/255).
    U8(Vec<u8>),
    /// Real features as they are.
    F32(Vec<f32>),
}

/// 1/255 in f32: bytes are scaled by this product on every engine.
pub const BYTE_SCALE: f32 = 1.0 / 255.0;

/// A labelled data set, checked: every label is below `classes`, every real feature is finite, no split is ragged.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// The name it was asked for by (`mnist`, `csv:FILE`, …).
    pub name: String,
    /// Features of a sample, n_0.
    pub features: usize,
    /// Number of classes, n_L.
    pub classes: usize,
    /// All rows: the training samples, then those of the canonical test set.
    pub samples: Samples,
    /// The class of each row, 0 … `classes` − 1.
    pub labels: Vec<u32>,
    /// Rows in the canonical test set (the last ones); 0 where the data has none.
    pub test_rows: usize,
}

impl DataSet {
    /// CRC-32 of shape, samples and labels: tells whether a run goes on with what it began with.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        for number in [self.features, self.classes, self.test_rows] {
            checksum.update(&(number as u64).to_le_bytes());
        }
        match &self.samples {
            Samples::U8(bytes) => checksum.update(bytes),
            Samples::F32(values) => checksum.update(bytemuck::cast_slice(values)),
        }
        checksum.update(bytemuck::cast_slice(&self.labels));
        checksum.finalize()
    }

    /// Opens a set by name – of the [`catalogue`], or of a folder of IDX files – or `idx:DIR`, `csv:FILE`, `npz:FILE`.
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

    /// Puts together what a reader has checked: one label per sample and at least one of them.
    fn assemble(features: usize, samples: Samples, labels: Vec<u32>, test_rows: usize) -> Self {
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        Self { name: String::new(), features, classes, samples, labels, test_rows }
    }

    /// Number of rows, those of the canonical test set included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The array of its features.
    #[must_use]
    pub fn array(&self) -> Array {
        let element = match self.samples {
            Samples::U8(_) => size_of::<u8>(),
            Samples::F32(_) => size_of::<f32>(),
        };
        Array::new("data set", element, &[("rows", self.len()), ("features", self.features)])
    }

    /// Writes the features of `row` (bytes scaled to 0 … 1) to `out`, which has `features` places.
    ///
    /// # Panics
    /// If there is no such row, or `out` is of another length.
    pub fn copy_row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.features, "a row needs one place per feature");
        let range = row * self.features..(row + 1) * self.features;
        match &self.samples {
            Samples::U8(bytes) => out.iter_mut().zip(&bytes[range]).for_each(|(o, &b)| *o = f32::from(b) * BYTE_SCALE),
            Samples::F32(reals) => out.copy_from_slice(&reals[range]),
        }
    }
}
