//! Data sets: one resident store of rows with labels, and the splits of its row numbers.

mod csv;
mod embedded;
mod idx;
mod npz;
mod split;

pub use split::Split;

use crate::error::{Error, Result};
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
    /// n_0.
    pub features: usize,
    /// Number of classes, n_L.
    pub classes: usize,
    /// All rows: the training samples, then those of the canonical test set.
    pub samples: Samples,
    /// The class of each row.
    pub labels: Vec<u32>,
    /// Rows in the canonical test set (the last ones); 0 where the data has none.
    pub test_rows: usize,
}

impl DataSet {
    /// Opens `mnist`, `iris`, `idx:DIR`, `csv:FILE` or `npz:FILE`.
    ///
    /// # Errors
    /// If the name is unknown, or a file is missing, damaged or inconsistent; the message names file and place.
    pub fn open(name: &str) -> Result<Self> {
        let mut data = match name.split_once(':') {
            None if name == "mnist" => embedded::mnist()?,
            None if name == "iris" => embedded::iris()?,
            Some(("idx", path)) => idx::read(Path::new(path))?,
            Some(("csv", path)) => csv::read(Path::new(path))?,
            Some(("npz", path)) => npz::read(Path::new(path))?,
            _ => {
                return Err(Error::config(format!(
                    "--data {name}: unknown data set; use mnist, iris, idx:DIR, csv:FILE or npz:FILE"
                )));
            }
        };
        name.clone_into(&mut data.name);
        Ok(data)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Writes the features of `row` to `out`, which has `features` places.
    pub fn copy_row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.features..(row + 1) * self.features;
        match &self.samples {
            Samples::U8(bytes) => out.iter_mut().zip(&bytes[range]).for_each(|(o, &b)| *o = f32::from(b) * BYTE_SCALE),
            Samples::F32(reals) => out.copy_from_slice(&reals[range]),
        }
    }
}
