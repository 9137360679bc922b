//! The split of a member's rows into training, validation and test, and label noise for the training rows.

use super::set::DataSet;
use crate::error::{Error, Result};
use crate::rng::{Random, Stream};

/// Default share of the samples that is held out for testing.
pub const DEFAULT_TEST_FRACTION: f64 = 0.1;

/// Row numbers of the training, validation and test samples of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, in data-set order.
    pub train: Vec<u32>,
    /// Rows to validate on, in data-set order; may be empty.
    pub validation: Vec<u32>,
    /// Rows to test on, in data-set order; may be empty.
    pub test: Vec<u32>,
    /// The labels of all rows of the data set with label noise; `None` without noise.
    pub labels: Option<Vec<u32>>,
}

impl Split {
    /// Uses the canonical split if the data have one. Otherwise holds out `fraction` of each class for testing, 0 … 1,
    /// by default [`DEFAULT_TEST_FRACTION`]; 0 means no test set.
    ///
    /// A class of n samples gives round(`fraction` · n) of them, halves rounded away from zero, so the sizes do not
    /// depend on `seed`. The samples are drawn from the class's own random numbers under `seed`.
    ///
    /// # Errors
    /// If the data have a test set and a fraction is given. If the fraction is outside 0 … 1, leaves no sample to train
    /// on, or is above 0 but holds out no sample.
    pub fn new(data: &DataSet, fraction: Option<f64>, seed: u64) -> Result<Self> {
        let rows = data.len() as u32;
        if data.test_rows > 0 {
            return match fraction {
                None => {
                    let first_test = rows - data.test_rows as u32;
                    let (train, test) = ((0..first_test).collect(), (first_test..rows).collect());
                    Ok(Self { train, test, ..Self::default() })
                }
                Some(fraction) => Err(Error::config(format!(
                    "`test-fraction = {fraction}`: {} already has a test set ({} samples); leave the option out",
                    data.name, data.test_rows
                ))),
            };
        }
        let refuse = |reason: &str| {
            let (fraction, note) = fraction.map_or((DEFAULT_TEST_FRACTION, " (the default)"), |given| (given, ""));
            Err(Error::config(format!("`test-fraction = {fraction}`{note}: {reason}")))
        };
        let fraction = fraction.unwrap_or(DEFAULT_TEST_FRACTION);
        if !(0.0..1.0).contains(&fraction) {
            return refuse("must be at least 0 and below 1");
        }
        let (train, test) = stratified(data, 0..rows, fraction, (seed, Stream::Split));
        if train.is_empty() {
            return refuse(&format!("leaves none of the {rows} samples to train on; use a smaller one"));
        }
        if test.is_empty() && fraction > 0.0 {
            return refuse(&format!("holds out none of the {rows} samples; use a larger one, or 0 for no test set"));
        }
        Ok(Self { train, test, ..Self::default() })
    }

    /// Moves `fraction` (0 … 1, 0 = none) of the training rows of each class to the validation rows. The rows are drawn
    /// from the class's own random numbers under `seed`. Sizes do not depend on `seed`, as in [`Self::new`].
    ///
    /// # Errors
    /// If no row is left to train on, or if `fraction` is above 0 but holds out no row.
    pub fn hold_out(self, data: &DataSet, fraction: f64, seed: u64) -> Result<Self> {
        if fraction == 0.0 {
            return Ok(self);
        }
        let rows = self.train.len();
        let refuse = |reason: &str| Err(Error::config(format!("`val-fraction = {fraction}`: {reason}")));
        let (train, validation) = stratified(data, self.train, fraction, (seed, Stream::Validation));
        if train.is_empty() {
            return refuse(&format!("leaves none of the {rows} training samples to train on; use a smaller one"));
        }
        if validation.is_empty() {
            return refuse(&format!("holds out none of the {rows} training samples; use a larger one, or 0 for none"));
        }
        Ok(Self { train, validation, ..self })
    }

    /// Replaces the labels of `share` (0 … 1, 0 = none) of the training rows of each class. The new label is one of the
    /// other classes, all equally likely.
    ///
    /// A class of n rows gives round(`share` · n) of them. The rows and their new labels are drawn from the class's own
    /// random numbers under `seed`.
    ///
    /// # Errors
    /// If the data have only one class.
    pub fn with_label_noise(mut self, data: &DataSet, share: f64, seed: u64) -> Result<Self> {
        if share == 0.0 {
            return Ok(self);
        }
        let others = (data.classes as u32).saturating_sub(1);
        if others == 0 {
            return Err(Error::config(format!(
                "`label-noise = {share}`: {} has no other class to replace with",
                data.name
            )));
        }
        let mut labels = data.labels.clone();
        for (class, mut rows) in (0..).zip(by_class(data, self.train.iter().copied())) {
            let replaced = rounded_share(share, rows.len());
            let mut random = Random::new(seed, Stream::LabelNoise, class);
            random.shuffle(&mut rows);
            for &row in &rows[..replaced] {
                let other = random.below(others);
                labels[row as usize] = other + u32::from(other >= class);
            }
        }
        self.labels = Some(labels);
        Ok(self)
    }
}

fn by_class(data: &DataSet, rows: impl IntoIterator<Item = u32>) -> Vec<Vec<u32>> {
    let mut by_class = vec![vec![]; data.classes];
    for row in rows {
        by_class[data.labels[row as usize] as usize].push(row);
    }
    by_class
}

/// round(`share` · `count`), halves away from zero.
fn rounded_share(share: f64, count: usize) -> usize {
    (share * count as f64).round() as usize
}

/// Splits `rows` into kept and held-out rows, each in ascending order; the share `fraction` of each class is held out.
fn stratified(
    data: &DataSet,
    rows: impl IntoIterator<Item = u32>,
    fraction: f64,
    (seed, stream): (u64, Stream),
) -> (Vec<u32>, Vec<u32>) {
    let (mut kept, mut held_out) = (vec![], vec![]);
    for (class, mut rows) in (0..).zip(by_class(data, rows)) {
        let count = rounded_share(fraction, rows.len());
        Random::new(seed, stream, class).shuffle(&mut rows);
        held_out.extend(rows.drain(..count));
        kept.append(&mut rows);
    }
    kept.sort_unstable();
    held_out.sort_unstable();
    (kept, held_out)
}
