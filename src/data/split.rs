//! Which rows train and which test.

use super::DataSet;
use crate::error::{Error, Result};
use crate::rng::{Random, Stream};

/// Share of the samples that is held out for testing where nothing else is asked for.
pub const DEFAULT_TEST_FRACTION: f64 = 0.1;

/// Row numbers of the training and test samples of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, in data-set order.
    pub train: Vec<u32>,
    /// Rows to test on, in data-set order; may be empty.
    pub test: Vec<u32>,
}

impl Split {
    /// The canonical split where the data has one; else holds out `fraction` (0 … 1, by default
    /// [`DEFAULT_TEST_FRACTION`], 0 = no test set) of each class.
    ///
    /// A class of n samples gives round(`fraction` · n) of them, halves away from zero, so sizes do not depend on
    /// `seed`; which ones is drawn from the class's own random numbers under `seed`.
    ///
    /// # Errors
    /// If a fraction is given although the data has a test set, is not in 0 … 1, holds out no sample although it is
    /// above 0, or leaves none to train on.
    pub fn new(data: &DataSet, fraction: Option<f64>, seed: u64) -> Result<Self> {
        let rows = data.len() as u32;
        if data.test_rows > 0 {
            return match fraction {
                None => {
                    let first_test = rows - data.test_rows as u32;
                    Ok(Self { train: (0..first_test).collect(), test: (first_test..rows).collect() })
                }
                Some(fraction) => Err(Error::config(format!(
                    "--test-fraction {fraction}: {} already has a test set ({} samples); leave the option out",
                    data.name, data.test_rows
                ))),
            };
        }
        let refuse = |reason: &str| {
            let (fraction, note) = fraction.map_or((DEFAULT_TEST_FRACTION, " (the default)"), |given| (given, ""));
            Err(Error::config(format!("--test-fraction {fraction}{note}: {reason}")))
        };
        let fraction = fraction.unwrap_or(DEFAULT_TEST_FRACTION);
        if !(0.0..1.0).contains(&fraction) {
            return refuse("must be at least 0 and below 1");
        }
        let split = Self::stratified(data, fraction, seed);
        if split.train.is_empty() {
            return refuse(&format!("leaves none of the {rows} samples to train on; use a smaller one"));
        }
        if split.test.is_empty() && fraction > 0.0 {
            return refuse(&format!("holds out none of the {rows} samples; use a larger one, or 0 for no test set"));
        }
        Ok(split)
    }

    fn stratified(data: &DataSet, fraction: f64, seed: u64) -> Self {
        let mut by_class = vec![vec![]; data.classes];
        for (row, &label) in (0..).zip(&data.labels) {
            by_class[label as usize].push(row);
        }
        let (mut train, mut test) = (vec![], vec![]);
        for (class, mut rows) in (0..).zip(by_class) {
            let held_out = (fraction * rows.len() as f64).round() as usize;
            Random::new(seed, Stream::Split, class).shuffle(&mut rows);
            test.extend(rows.drain(..held_out));
            train.append(&mut rows);
        }
        train.sort_unstable();
        test.sort_unstable();
        Self { train, test }
    }
}
