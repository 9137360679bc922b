//! Which rows train and which test.

use super::DataSet;
use crate::error::Result;

/// Row numbers of the training and test samples of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, in data-set order.
    pub train: Vec<u32>,
    /// Rows to test on, in data-set order; may be empty.
    pub test: Vec<u32>,
}

impl Split {
    /// The canonical split where the data has one; else holds out `fraction`.
    pub fn new(data: &DataSet, fraction: Option<f64>, seed: u64) -> Result<Self> {
        let _ = (data, fraction, seed);
        todo!()
    }
}
