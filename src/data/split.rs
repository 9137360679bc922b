//! The split of a member's rows into training, validation and test, and label noise for the training rows.

use super::set::DataSet;
use crate::config::{DataSettings, Fold, Task};
use crate::error::{Error, Result};
use crate::rng::{Random, Stream};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Default share of the samples that is held out for testing.
pub const DEFAULT_TEST_FRACTION: f64 = 0.1;

/// Why a fraction may hold out nothing.
const EVERY_CLASS: &str = "because every class and group keeps a sample to train on";

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

impl DataSet {
    /// Rows of neither a test set nor a validation set of their own: those from which a split takes its training samples.
    pub(crate) fn rows_to_split(&self) -> usize {
        self.len() - self.validation_rows - self.test_rows
    }
}

impl Split {
    /// Uses the canonical split if the data have one. Otherwise holds out `fraction` of the samples for testing, 0 … 1, by
    /// default [`DEFAULT_TEST_FRACTION`]; 0 means no test set.
    ///
    /// The test set has round(`fraction` · n) samples of n, halves rounded away from zero, so sizes do not depend on `seed`.
    /// Every class gives its share, with the largest remainders rounded up, and keeps at least one sample to train on.
    /// Samples of one group stay together. Samples are drawn from the class's own random numbers under `seed`.
    ///
    /// # Errors
    /// If the data have a test set and a fraction is given. If the fraction is outside 0 … 1, leaves no sample to train on, or
    /// is above 0 but holds out no sample.
    pub fn new(data: &DataSet, fraction: Option<f64>, seed: u64) -> Result<Self> {
        Self::drawn(data, fraction, None, seed)
    }

    /// The split that `settings` describe: a test set as [`Self::new`], or part K of N of a cross-validation, and then a
    /// validation set as [`Self::hold_out`]. The parts of a cross-validation have sizes that differ by at most one sample.
    ///
    /// # Errors
    /// As [`Self::new`] and [`Self::hold_out`], and if there are fewer samples or groups than parts.
    pub fn of(data: &DataSet, settings: &DataSettings, seed: u64) -> Result<Self> {
        Self::drawn(data, settings.test_fraction, settings.fold, seed)?.hold_out(data, settings.val_fraction, seed)
    }

    fn drawn(data: &DataSet, fraction: Option<f64>, fold: Option<Fold>, seed: u64) -> Result<Self> {
        let rows = data.len() as u32;
        let [first_validation, first_test] =
            [data.validation_rows + data.test_rows, data.test_rows].map(|held_out| rows - held_out as u32);
        let own = Self {
            train: (0..first_validation).collect(),
            validation: (first_validation..first_test).collect(),
            test: (first_test..rows).collect(),
            labels: None,
        };
        if data.test_rows > 0 {
            let given = [fraction.map(|f| format!("test-fraction = {f}")), fold.map(|f| format!("fold = {f}"))];
            return match given.into_iter().flatten().next() {
                None => Ok(own),
                Some(option) => Err(Error::config(format!(
                    "`{option}`: {} already has a test set ({} samples); leave the option out",
                    data.name, data.test_rows
                ))),
            };
        }
        if let Some(fold) = fold {
            if fraction.is_some() {
                return Err(Error::config(format!(
                    "`fold = {fold}`: the fold is the test set; leave `test-fraction` out"
                )));
            }
            let (train, test) = folded(data, own.train, fold, seed)?;
            return Ok(Self { train, test, ..own });
        }
        let refuse = |reason: &str| {
            let (fraction, note) = fraction.map_or((DEFAULT_TEST_FRACTION, " (the default)"), |given| (given, ""));
            Err(Error::config(format!("`test-fraction = {fraction}`{note}: {reason}")))
        };
        let fraction = fraction.unwrap_or(DEFAULT_TEST_FRACTION);
        if !(0.0..1.0).contains(&fraction) {
            return refuse("must be at least 0 and below 1");
        }
        let (train, test) = held_out(data, own.train, fraction, (seed, Stream::Split));
        if train.is_empty() {
            return refuse(&format!("leaves none of the {rows} samples to train on; use a smaller one"));
        }
        if test.is_empty() && fraction > 0.0 {
            return refuse(&format!(
                "holds out none of the {rows} samples, {EVERY_CLASS}; use a larger one, or 0 for no test set"
            ));
        }
        Ok(Self { train, test, ..own })
    }

    /// Moves `fraction` (0 … 1, 0 = none) of the training rows to the validation rows, drawn as in [`Self::new`].
    ///
    /// # Errors
    /// If the data have a validation set. If no row is left to train on, or if `fraction` is above 0 but holds out no row.
    pub fn hold_out(self, data: &DataSet, fraction: f64, seed: u64) -> Result<Self> {
        if fraction == 0.0 {
            return Ok(self);
        }
        let rows = self.train.len();
        let refuse = |reason: &str| Err(Error::config(format!("`val-fraction = {fraction}`: {reason}")));
        if data.validation_rows > 0 {
            let count = data.validation_rows;
            return refuse(&format!(
                "{} already has a validation set ({count} samples); leave the option out",
                data.name
            ));
        }
        let (train, validation) = held_out(data, self.train, fraction, (seed, Stream::Validation));
        if train.is_empty() {
            return refuse(&format!("leaves none of the {rows} training samples to train on; use a smaller one"));
        }
        if validation.is_empty() {
            return refuse(&format!(
                "holds out none of the {rows} training samples, {EVERY_CLASS}; use a larger one, or 0 for none"
            ));
        }
        Ok(Self { train, validation, ..self })
    }

    /// Points the rows to a copy of the data set that begins at row `first` of `all`. The labels of other copies are `clean`.
    pub(super) fn move_to(&mut self, first: usize, all: usize, clean: &[u32]) {
        for rows in [&mut self.train, &mut self.validation, &mut self.test] {
            rows.iter_mut().for_each(|row| *row += first as u32);
        }
        if let Some(labels) = &mut self.labels {
            let own = std::mem::replace(labels, clean.repeat(all / clean.len()));
            labels[first..first + own.len()].copy_from_slice(&own);
        }
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
        if data.task != Task::Classification {
            return Err(Error::config(format!(
                "`label-noise = {share}`: only `task = classification` has classes to replace"
            )));
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

/// The rows of each class; one list of all rows if the task has no classes.
fn by_class(data: &DataSet, rows: impl IntoIterator<Item = u32>) -> Vec<Vec<u32>> {
    let is_stratified = data.task == Task::Classification && data.has_targets();
    let mut by_class = vec![vec![]; if is_stratified { data.classes } else { 1 }];
    for row in rows {
        by_class[if is_stratified { data.labels[row as usize] as usize } else { 0 }].push(row);
    }
    by_class
}

/// round(`share` · `count`), halves away from zero.
fn rounded_share(share: f64, count: usize) -> usize {
    (share * count as f64).round() as usize
}

/// The number of rows that each class of these sizes gives, round(`share` · n) of all n rows in total. Every class gives its
/// share rounded down; the largest remainders give one more, smaller class numbers first. A class keeps a row, if possible.
fn shares(share: f64, sizes: &[usize]) -> Vec<usize> {
    let total = rounded_share(share, sizes.iter().sum());
    let mut counts: Vec<usize> = sizes.iter().map(|&size| (share * size as f64).floor() as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    // Remainders that differ only by rounding count as equal.
    let remainder = |k: usize| ((share * sizes[k] as f64).fract() * 1e9).round();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)).then(a.cmp(&b)));
    let most = |k: usize| if sizes.len() > 1 { sizes[k].saturating_sub(1) } else { sizes[k] };
    (0..sizes.len()).for_each(|k| counts[k] = counts[k].min(most(k)));
    let mut missing = total.saturating_sub(counts.iter().sum());
    // Classes at their most pass their turn to the next.
    while missing > 0 {
        let before = missing;
        for &k in &order {
            if missing > 0 && counts[k] < most(k) {
                counts[k] += 1;
                missing -= 1;
            }
        }
        if missing == before {
            break;
        }
    }
    counts
}

/// Splits `rows` into kept and held-out rows, each in ascending order.
fn held_out(data: &DataSet, rows: Vec<u32>, fraction: f64, (seed, stream): (u64, Stream)) -> (Vec<u32>, Vec<u32>) {
    if let Some(groups) = &data.groups {
        return held_out_groups(groups, rows, fraction, (seed, stream));
    }
    let mut classes = by_class(data, rows);
    let counts = shares(fraction, &classes.iter().map(Vec::len).collect::<Vec<_>>());
    let (mut kept, mut held_out) = (vec![], vec![]);
    for (class, (rows, count)) in (0..).zip(classes.iter_mut().zip(counts)) {
        Random::new(seed, stream, class).shuffle(rows);
        held_out.extend(rows.drain(..count));
        kept.append(rows);
    }
    kept.sort_unstable();
    held_out.sort_unstable();
    (kept, held_out)
}

/// The groups of `rows` with their rows, in an order drawn from the seed.
fn shuffled_groups(groups: &[u32], rows: Vec<u32>, (seed, stream): (u64, Stream)) -> Vec<Vec<u32>> {
    let mut of_group: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    rows.into_iter().for_each(|row| of_group.entry(groups[row as usize]).or_default().push(row));
    let mut all: Vec<Vec<u32>> = of_group.into_values().collect();
    let mut order: Vec<u32> = (0..all.len() as u32).collect();
    Random::new(seed, stream, 0).shuffle(&mut order);
    order.into_iter().map(|place| std::mem::take(&mut all[place as usize])).collect()
}

/// As [`held_out`], but whole groups: one after the other as long as that brings the number of rows nearer to its share.
fn held_out_groups(groups: &[u32], rows: Vec<u32>, fraction: f64, draw: (u64, Stream)) -> (Vec<u32>, Vec<u32>) {
    let wanted = fraction * rows.len() as f64;
    let (mut kept, mut held_out) = (vec![], vec![]);
    for group in shuffled_groups(groups, rows, draw) {
        let with = (held_out.len() + group.len()) as f64;
        let nearer = (with - wanted).abs() <= (wanted - held_out.len() as f64).abs();
        if nearer && fraction > 0.0 { held_out.extend(group) } else { kept.extend(group) }
    }
    kept.sort_unstable();
    held_out.sort_unstable();
    (kept, held_out)
}

/// The rows outside and inside part `fold`. The samples of each class are dealt out to the parts one by one, so sizes
/// differ by at most one; groups go to the smallest part.
fn folded(data: &DataSet, rows: Vec<u32>, fold: Fold, seed: u64) -> Result<(Vec<u32>, Vec<u32>)> {
    let parts = fold.parts as usize;
    // The parts are counted before their lists exist, because a number of parts may come from anyone.
    let lists = |units: usize| match units < parts {
        true => Err(Error::config(format!("`fold = {fold}`: there are only {units} samples or groups to divide"))),
        false => Ok(vec![vec![]; parts]),
    };
    let mut folds = match &data.groups {
        Some(groups) => {
            let groups = shuffled_groups(groups, rows, (seed, Stream::Split));
            let mut folds = lists(groups.len())?;
            // Of equally small parts, the first takes the group.
            let mut smallest: BinaryHeap<_> = (0..parts).map(|part| Reverse((0, part))).collect();
            for group in groups {
                if let Some(mut top) = smallest.peek_mut() {
                    let Reverse((len, part)) = *top;
                    *top = Reverse((len + group.len(), part));
                    folds[part].extend(group);
                }
            }
            folds
        }
        None => {
            let mut folds = lists(rows.len())?;
            let mut next = (0..parts).cycle();
            for (class, mut rows) in (0..).zip(by_class(data, rows)) {
                Random::new(seed, Stream::Split, class).shuffle(&mut rows);
                rows.into_iter().zip(&mut next).for_each(|(row, part)| folds[part].push(row));
            }
            folds
        }
    };
    let mut test = folds.swap_remove(fold.part as usize - 1);
    let mut train: Vec<u32> = folds.into_iter().flatten().collect();
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn shares_are_exact_over_the_whole_and_leave_a_sample_of_every_class() {
        assert_eq!(shares(0.1, &[50, 50, 50]), [5, 5, 5]);
        assert_eq!(shares(0.5, &[1, 1, 1, 7]), [0, 0, 0, 5]);
        assert_eq!(shares(0.25, &[3, 3, 3, 3]), [1, 1, 1, 0]);
        assert_eq!(shares(0.1, &[4, 4, 4, 4, 4]), [1, 1, 0, 0, 0]);
        assert_eq!(shares(0.9, &[2, 2]), [1, 1]);
        assert_eq!(shares(0.3, &[10]), [3]);
    }
}
