//! Which rows train, which validate and which test, and with which labels a member trains.

use super::DataSet;
use crate::error::{Error, Result};
use crate::rng::{Random, Stream};

/// Share of the samples that is held out for testing where nothing else is asked for.
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
    /// The labels of all rows of the data set where some were replaced, else `None`.
    pub labels: Option<Vec<u32>>,
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
                    let (train, test) = ((0..first_test).collect(), (first_test..rows).collect());
                    Ok(Self { train, test, ..Self::default() })
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
        let (train, test) = stratified(data, 0..rows, fraction, (seed, Stream::Split));
        if train.is_empty() {
            return refuse(&format!("leaves none of the {rows} samples to train on; use a smaller one"));
        }
        if test.is_empty() && fraction > 0.0 {
            return refuse(&format!("holds out none of the {rows} samples; use a larger one, or 0 for no test set"));
        }
        Ok(Self { train, test, ..Self::default() })
    }

    /// Moves `fraction` (0 … 1, 0 = none) of the training rows of each class to the validation rows, drawn from the
    /// class's own random numbers under `seed`. Sizes do not depend on `seed`, as in [`Self::new`].
    ///
    /// # Errors
    /// If that leaves no row to train on, or holds out none although `fraction` is above 0.
    pub fn hold_out(self, data: &DataSet, fraction: f64, seed: u64) -> Result<Self> {
        if fraction == 0.0 {
            return Ok(self);
        }
        let rows = self.train.len();
        let refuse = |reason: &str| Err(Error::config(format!("--val-fraction {fraction}: {reason}")));
        let (train, validation) = stratified(data, self.train, fraction, (seed, Stream::Validation));
        if train.is_empty() {
            return refuse(&format!("leaves none of the {rows} training samples to train on; use a smaller one"));
        }
        if validation.is_empty() {
            return refuse(&format!("holds out none of the {rows} training samples; use a larger one, or 0 for none"));
        }
        Ok(Self { train, validation, ..self })
    }

    /// Replaces the labels of `share` (0 … 1, 0 = none) of the training rows of each class, each by another class, all
    /// of them equally likely. A class of n rows gives round(`share` · n); which ones and what they become is drawn from
    /// the class's own random numbers under `seed`.
    ///
    /// # Errors
    /// If there is only one class.
    pub fn with_label_noise(mut self, data: &DataSet, share: f64, seed: u64) -> Result<Self> {
        if share == 0.0 {
            return Ok(self);
        }
        let others = (data.classes as u32).saturating_sub(1);
        if others == 0 {
            return Err(Error::config(format!(
                "--label-noise {share}: {} has no other class to replace with",
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

/// `rows` as what is kept and what is held out, each in order.
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
