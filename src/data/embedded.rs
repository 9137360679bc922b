//! The data sets built into the program: MNIST as IDX files in Zstandard, which takes a seventh less room than gzip, and Iris as
//! CSV.
//!
//! They are decoded on demand by the same code that reads files. Sources and licences: `mnist/README.md` and `iris.md`
//! beside this file.

use super::idx::{self, Pair, Source};
use super::set::DataSet;
use crate::error::{Error, Result};
use ruzstd::decoding::StreamingDecoder;
use std::io::BufReader;
use std::path::{Path, PathBuf};

macro_rules! mnist_file {
    ($name:literal) => {{
        let packed = &include_bytes!(concat!("mnist/", $name, ".zst"))[..];
        let path = PathBuf::from(concat!("mnist/", $name));
        let decoder =
            StreamingDecoder::new(packed).map_err(|e| Error::file(&path, format!("cannot be unpacked: {e}")))?;
        Source { path, length: None, bytes: Box::new(BufReader::with_capacity(1 << 16, decoder)) }
    }};
}

/// MNIST: 60 000 training and 10 000 test images of 28 × 28 bytes, 10 classes.
pub fn mnist() -> Result<DataSet> {
    let train = Pair { images: mnist_file!("train-images-idx3-ubyte"), labels: mnist_file!("train-labels-idx1-ubyte") };
    let test = Pair { images: mnist_file!("t10k-images-idx3-ubyte"), labels: mnist_file!("t10k-labels-idx1-ubyte") };
    idx::decode(train, Some(test))
}

/// Fisher's Iris: 150 samples of 4 lengths in cm, 3 classes, no canonical test set.
pub fn iris() -> Result<DataSet> {
    DataSet::from_csv(Path::new("iris.csv"), include_bytes!("iris.csv"))
}
