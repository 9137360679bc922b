//! The data sets built into the program: MNIST as gzipped IDX files and Iris as CSV.
//!
//! They are decoded on demand by the same code that reads files. Sources and licences: `mnist/README.md` and `iris.md`
//! beside this file.

use super::idx::{self, Pair, Source};
use super::set::DataSet;
use crate::error::Result;
use std::path::{Path, PathBuf};

macro_rules! mnist_file {
    ($name:literal) => {{
        let bytes = &include_bytes!(concat!("mnist/", $name))[..];
        let path = PathBuf::from(concat!("mnist/", $name));
        Source { path, length: Some(bytes.len() as u64), bytes: Box::new(bytes) }
    }};
}

/// MNIST: 60 000 training and 10 000 test images of 28 × 28 bytes, 10 classes.
pub fn mnist() -> Result<DataSet> {
    let train =
        Pair { images: mnist_file!("train-images-idx3-ubyte.gz"), labels: mnist_file!("train-labels-idx1-ubyte.gz") };
    let test =
        Pair { images: mnist_file!("t10k-images-idx3-ubyte.gz"), labels: mnist_file!("t10k-labels-idx1-ubyte.gz") };
    idx::decode(train, Some(test))
}

/// Fisher's Iris: 150 samples of 4 lengths in cm, 3 classes, no canonical test set.
pub fn iris() -> Result<DataSet> {
    DataSet::from_csv(Path::new("iris.csv"), include_bytes!("iris.csv"))
}
