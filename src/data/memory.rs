//! Sets made from arrays in memory, and what may be added to them. Everything is checked here, because engines trust a set.

use super::read::{MAX_LABEL, row_count};
use super::set::{DataSet, Samples};
use crate::config::Task;
use crate::error::{Error, Result};

/// Name of a set that was made from features and labels in memory.
const UNNAMED: &str = "memory";

/// The features of some samples, made from rows of `f32` or `f64`, or from one flat array and the number of features
/// per row.
///
/// Flat arrays may also hold bytes, which stand for 0 … 1. Features are not checked here but in [`DataSet::new`].
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    samples: Samples,
    width: usize,
    /// The number of the first row of another width, and that width.
    ragged: Option<(usize, usize)>,
}

impl Features {
    fn flat(samples: Samples, width: usize) -> Self {
        let rest = if width == 0 { 0 } else { samples.len() % width };
        let ragged = (rest > 0).then(|| (samples.len() / width, rest));
        Self { samples, width, ragged }
    }

    fn rows<'a, T: Copy + Into<f64> + 'a>(rows: impl Iterator<Item = &'a [T]>) -> Self {
        let (mut reals, mut width, mut ragged) = (vec![], None, None);
        for (number, row) in rows.enumerate() {
            if *width.get_or_insert(row.len()) != row.len() {
                ragged = ragged.or(Some((number, row.len())));
            }
            // The conversion is exact for an f32 and rounds once for an f64.
            reals.extend(row.iter().map(|&value| value.into() as f32));
        }
        Self { samples: Samples::F32(reals), width: width.unwrap_or(0), ragged }
    }

    /// Number of features per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks the rows and returns their features: all rows are equally wide, there are not too many, and every feature
    /// is finite.
    ///
    /// # Errors
    /// [`Error::Data`]; if a single row is to blame, with its number, from 0.
    pub(crate) fn checked(self) -> Result<Samples> {
        let refuse = |reason: String| Err(Error::Data(reason));
        if let Some((row, width)) = self.ragged {
            return refuse(format!("row {row} has {width} features, but row 0 has {}", self.width));
        }
        match (self.width, self.samples.len()) {
            (_, 0) => return refuse("there are no samples, or samples without features".into()),
            (0, all) => return refuse(format!("{all} values in rows of 0 features")),
            _ => {}
        }
        row_count(self.len()).map_err(Error::Data)?;
        if let Samples::F32(reals) = &self.samples
            && let Some(place) = reals.iter().position(|value| !value.is_finite())
        {
            let (row, column) = (place / self.width, place % self.width);
            return refuse(format!("row {row}: feature {column} is {}, not a finite number", reals[place]));
        }
        Ok(self.samples)
    }
}

impl From<(Samples, usize)> for Features {
    fn from((samples, width): (Samples, usize)) -> Self {
        Self::flat(samples, width)
    }
}

impl From<(Vec<f32>, usize)> for Features {
    fn from((reals, width): (Vec<f32>, usize)) -> Self {
        Self::flat(Samples::F32(reals), width)
    }
}

impl From<(&[f32], usize)> for Features {
    fn from((reals, width): (&[f32], usize)) -> Self {
        Self::flat(Samples::F32(reals.to_vec()), width)
    }
}

impl From<(Vec<u8>, usize)> for Features {
    fn from((bytes, width): (Vec<u8>, usize)) -> Self {
        Self::flat(Samples::U8(bytes), width)
    }
}

impl From<(&[u8], usize)> for Features {
    fn from((bytes, width): (&[u8], usize)) -> Self {
        Self::flat(Samples::U8(bytes.to_vec()), width)
    }
}

macro_rules! from_rows {
    ($($real:ty),*) => {$(
        impl From<Vec<Vec<$real>>> for Features {
            fn from(rows: Vec<Vec<$real>>) -> Self {
                Self::from(&rows[..])
            }
        }

        impl From<&Vec<Vec<$real>>> for Features {
            fn from(rows: &Vec<Vec<$real>>) -> Self {
                Self::from(&rows[..])
            }
        }

        impl From<&[Vec<$real>]> for Features {
            fn from(rows: &[Vec<$real>]) -> Self {
                Self::rows(rows.iter().map(Vec::as_slice))
            }
        }

        impl<const N: usize> From<Vec<[$real; N]>> for Features {
            fn from(rows: Vec<[$real; N]>) -> Self {
                Self::from(&rows[..])
            }
        }

        impl<const N: usize> From<&Vec<[$real; N]>> for Features {
            fn from(rows: &Vec<[$real; N]>) -> Self {
                Self::from(&rows[..])
            }
        }

        impl<const N: usize> From<&[[$real; N]]> for Features {
            fn from(rows: &[[$real; N]]) -> Self {
                Self::rows(rows.iter().map(<[$real; N]>::as_slice))
            }
        }

        impl<const R: usize, const N: usize> From<[[$real; N]; R]> for Features {
            fn from(rows: [[$real; N]; R]) -> Self {
                Self::from(&rows[..])
            }
        }

        impl<const R: usize, const N: usize> From<&[[$real; N]; R]> for Features {
            fn from(rows: &[[$real; N]; R]) -> Self {
                Self::from(&rows[..])
            }
        }
    )*};
}

from_rows!(f32, f64);

/// The features of all rows, including those of the test set.
impl From<&DataSet> for Features {
    fn from(data: &DataSet) -> Self {
        Self::flat(data.samples.clone(), data.features)
    }
}

impl DataSet {
    /// Makes a set from `features`, see [`Features`], and `labels`, the class of each row, numbered from 0.
    ///
    /// The number of classes is the largest label plus 1. There is no test set: training holds out samples, or
    /// [`Self::with_test`] adds one.
    ///
    /// ```
    /// # use homeostat::prelude::*;
    /// let data = DataSet::new([[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])?;
    /// assert_eq!((data.len(), data.features(), data.classes()), (4, 2, 2));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Data`], with the number of the row from 0 if one row is to blame. If rows differ in width or a feature
    /// is not finite. If a label is not a class, or the number of labels is not that of the rows. If there are no
    /// samples or no features.
    pub fn new<L>(features: impl Into<Features>, labels: L) -> Result<Self>
    where
        L: IntoIterator,
        L::Item: TryInto<u32> + std::fmt::Display + Copy,
    {
        let features = features.into();
        let (rows, width) = (features.len(), features.width());
        let samples = features.checked()?;
        let class = |(row, label): (usize, L::Item)| {
            let class = label.try_into().ok().filter(|&class| class <= MAX_LABEL);
            class.ok_or_else(|| {
                Error::Data(format!("row {row}: label {label} is no class; number the classes 0, 1, 2, … {MAX_LABEL}"))
            })
        };
        let labels = labels.into_iter().enumerate().map(class).collect::<Result<Vec<u32>>>()?;
        if labels.len() != rows {
            return Err(Error::Data(format!("{} labels for {rows} rows; give one per row", labels.len())));
        }
        Ok(Self { name: UNNAMED.to_owned(), ..Self::assemble(width, samples, labels, 0) })
    }

    /// Sets the name that records and messages use.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Adds a test set of samples with labels. Weights and the like are added afterwards, because every row needs them. A
    /// regression or a set of several labels has its test samples as its last rows: [`Self::with_test_rows`].
    ///
    /// # Errors
    /// As [`Self::new`]. If there is a test set already, or the set is no classification, or its rows have weights, groups
    /// or names. If the number of features differs from the training samples, or if only one of the two holds bytes.
    pub fn with_test<L>(mut self, features: impl Into<Features>, labels: L) -> Result<Self>
    where
        L: IntoIterator,
        L::Item: TryInto<u32> + std::fmt::Display + Copy,
    {
        let test = Self::new(features, labels).map_err(|error| Error::Data(format!("test set: {error}")))?;
        let refuse = |reason: String| Err(Error::Data(format!("test set: {reason}")));
        if self.test_rows > 0 {
            return refuse(format!("there is one already, of {} samples", self.test_rows));
        }
        if self.task != Task::Classification {
            return refuse(
                "its labels are classes, and the training samples have other targets; use `with_test_rows`".into(),
            );
        }
        if self.weights.is_some() || self.groups.is_some() || !self.ids.is_empty() {
            return refuse(
                "the training samples have weights, groups or names, which it has not; add it first, or use `with_test_rows`"
                    .into(),
            );
        }
        if test.features != self.features {
            return refuse(format!("its samples have {} features, not {}", test.features, self.features));
        }
        let test_rows = test.len();
        match (&mut self.samples, test.samples) {
            (Samples::U8(all), Samples::U8(more)) => all.extend(more),
            (Samples::F32(all), Samples::F32(more)) => all.extend(more),
            // Bytes are scaled by 1/255 and reals are not, so the same number would mean two things.
            _ => return refuse("either it or the training samples are bytes; give both alike".into()),
        }
        self.checksum = <_>::default();
        self.test_rows = test_rows;
        self.classes = self.classes.max(test.classes);
        self.labels.extend(test.labels);
        row_count(self.len()).map_err(Error::Data)?;
        Ok(self)
    }

    /// Makes the last `rows` rows the test set.
    ///
    /// # Errors
    /// If no row is left to train on, besides those of a validation set.
    pub fn with_test_rows(self, rows: usize) -> Result<Self> {
        let others = self.len() - self.validation_rows;
        if rows >= others {
            return Err(Error::Data(format!("{rows} of {others} samples are to test: none is left to train on")));
        }
        Ok(Self { test_rows: rows, checksum: <_>::default(), ..self })
    }

    /// Sets the number of classes, for labels that do not include the last class.
    ///
    /// # Errors
    /// If the set is no classification, a label is not below `classes`, or there are more classes than labels can name.
    pub fn with_classes(self, classes: usize) -> Result<Self> {
        if self.task != Task::Classification {
            return Err(Error::Data(format!("{classes} classes: the targets of this set are no classes")));
        }
        if classes < self.classes || classes > MAX_LABEL as usize + 1 {
            return Err(Error::Data(format!(
                "{classes} classes: the labels go up to {}, and no class is above {MAX_LABEL}",
                self.classes - 1
            )));
        }
        Ok(Self { classes, checksum: <_>::default(), ..self })
    }

    /// Makes a set from `features`, see [`Features`], and real targets, one row of `targets` numbers per sample.
    ///
    /// Training scales the targets to a mean of 0 and a standard deviation of 1. Predictions are in the units of `values`.
    ///
    /// # Errors
    /// As [`Self::new`], and if a target is not finite.
    pub fn regression(features: impl Into<Features>, values: impl Into<Vec<f32>>, targets: usize) -> Result<Self> {
        Self::with_values(Task::Regression, features.into(), values.into(), targets)
    }

    /// Makes a set from `features`, see [`Features`], and labels of which a sample may have any: one row of `targets` numbers
    /// per sample, each 0 or 1.
    ///
    /// # Errors
    /// As [`Self::new`], and if a target is neither 0 nor 1.
    pub fn multilabel(features: impl Into<Features>, values: impl Into<Vec<f32>>, targets: usize) -> Result<Self> {
        let values = values.into();
        match values.iter().position(|&value| value != 0.0 && value != 1.0) {
            Some(place) => {
                let (row, value) = (place / targets.max(1), values[place]);
                Err(Error::Data(format!("row {row}: target {value} is neither 0 nor 1")))
            }
            None => Self::with_values(Task::Multilabel, features.into(), values, targets),
        }
    }

    fn with_values(task: Task, features: Features, values: Vec<f32>, targets: usize) -> Result<Self> {
        let (rows, width) = (features.len(), features.width());
        let samples = features.checked()?;
        if targets == 0 || values.len() != rows * targets {
            let given = values.len();
            return Err(Error::Data(format!("{given} targets for {rows} rows of {targets}; give as many per row")));
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let (row, value) = (place / targets, values[place]);
            return Err(Error::Data(format!("row {row}: target {value} is not a finite number")));
        }
        Ok(Self { name: UNNAMED.to_owned(), classes: targets, values, ..Self::of_samples(task, width, samples) })
    }

    /// Sets the weight of each row in the loss and in δ of the outputs. Training scales weights to a mean of 1 over its samples.
    ///
    /// # Errors
    /// If there is not one weight per row, or one is not a number of at least 0.
    pub fn with_weights(self, weights: impl Into<Vec<f32>>) -> Result<Self> {
        let weights = weights.into();
        if weights.len() != self.len() {
            return Err(Error::Data(format!("{} weights for {} rows; give one per row", weights.len(), self.len())));
        }
        if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(Error::Data(format!("row {row}: weight {} is no number of at least 0", weights[row])));
        }
        Ok(Self { weights: Some(weights), checksum: <_>::default(), ..self })
    }
}
