//! A labelled data set: rows of features with labels, held in memory and checked when the set is made.

use super::about::About;
use super::read::{MAX_LABEL, row_count};
use crate::config::{Config, Task};
use crate::error::{Error, Result};
use crate::memory::Array;
use std::sync::OnceLock;

/// The features of all samples, row-major `[samples, features]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Bytes; the feature is byte · (1/255).
    U8(Vec<u8>),
    /// Real features, used unchanged.
    F32(Vec<f32>),
}

/// 1/255 in f32. Every engine multiplies bytes by this constant, because a division could round differently.
pub const BYTE_SCALE: f32 = 1.0 / 255.0;

/// Name of a set that was made from features and labels in memory.
pub const UNNAMED: &str = "memory";

impl Samples {
    fn len(&self) -> usize {
        match self {
            Self::U8(bytes) => bytes.len(),
            Self::F32(reals) => reals.len(),
        }
    }

    /// Writes the features of `row` (bytes scaled to 0 … 1) to `out`, which has one place per feature.
    pub(crate) fn copy_row(&self, row: usize, out: &mut [f32]) {
        self.copy_from(row * out.len(), out);
    }

    fn copy_from(&self, first: usize, out: &mut [f32]) {
        let range = first..first + out.len();
        match self {
            Self::U8(bytes) => out.iter_mut().zip(&bytes[range]).for_each(|(o, &b)| *o = f32::from(b) * BYTE_SCALE),
            Self::F32(reals) => out.copy_from_slice(&reals[range]),
        }
    }
}

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

/// A data set: features, targets, and what is known of them. All rows are equally wide, and every value is finite, except
/// features that are missing and will be imputed.
///
/// The rows to train on come first, then the canonical validation set, then the canonical test set.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) features: usize,
    /// Number of outputs, n_L: of classes, or of targets per sample.
    pub(crate) classes: usize,
    pub(crate) samples: Samples,
    /// The class of each row; empty if the task is not classification.
    pub(crate) labels: Vec<u32>,
    /// The targets, row-major `[rows, classes]`; empty if the task is classification.
    pub(crate) values: Vec<f32>,
    /// Number of rows in the canonical validation set; 0 if there is none.
    pub(crate) validation_rows: usize,
    pub(crate) test_rows: usize,
    /// The weight of each row in the loss.
    pub(crate) weights: Option<Vec<f32>>,
    /// The group of each row; splits keep groups together.
    pub(crate) groups: Option<Vec<u32>>,
    /// Columns that name the samples: the column's name, and one value per row.
    pub(crate) ids: Vec<(String, Vec<String>)>,
    pub(crate) about: About,
    /// What readers took for what, one sentence each.
    pub(crate) notes: Vec<String>,
    /// Why the labels of the file are not those of the model that it was opened for.
    pub(crate) mismatch: Option<String>,
    checksum: Checksum,
}

/// [`DataSet::checksum`], once somebody has asked for it. It follows from the rest, so it tells no sets apart.
#[derive(Clone, Debug, Default)]
struct Checksum(OnceLock<u32>);

impl PartialEq for Checksum {
    fn eq(&self, _: &Self) -> bool {
        true
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

    /// Adds a test set.
    ///
    /// # Errors
    /// As [`Self::new`]. If there is a test set already. If the number of features differs from the training samples,
    /// or if only one of the two holds bytes.
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
        self.checksum = Checksum::default();
        self.test_rows = test_rows;
        self.classes = self.classes.max(test.classes);
        self.labels.extend(test.labels);
        row_count(self.len()).map_err(Error::Data)?;
        Ok(self)
    }

    /// Makes the last `rows` rows the test set.
    ///
    /// # Errors
    /// If no row is left to train on.
    pub fn with_test_rows(self, rows: usize) -> Result<Self> {
        if rows >= self.len() {
            return Err(Error::Data(format!("{rows} of {} samples are to test: none is left to train on", self.len())));
        }
        Ok(Self { test_rows: rows, checksum: Checksum::default(), ..self })
    }

    /// Sets the number of classes, for labels that do not include the last class.
    ///
    /// # Errors
    /// If a label is not below `classes`, or if there are more classes than labels can name.
    pub fn with_classes(self, classes: usize) -> Result<Self> {
        if classes < self.classes || classes > MAX_LABEL as usize + 1 {
            return Err(Error::Data(format!(
                "{classes} classes: the labels go up to {}, and no class is above {MAX_LABEL}",
                self.classes - 1
            )));
        }
        Ok(Self { classes, checksum: Checksum::default(), ..self })
    }

    /// The first `rows` rows, all of them to train on.
    #[must_use]
    pub(crate) fn head(mut self, rows: usize) -> Self {
        match &mut self.samples {
            Samples::U8(bytes) => bytes.truncate(rows * self.features),
            Samples::F32(reals) => reals.truncate(rows * self.features),
        }
        self.labels.truncate(rows);
        self.values.truncate(rows * self.classes);
        self.weights.iter_mut().for_each(|weights| weights.truncate(rows));
        self.groups.iter_mut().for_each(|groups| groups.truncate(rows));
        self.ids.iter_mut().for_each(|(_, ids)| ids.truncate(rows));
        Self { test_rows: 0, validation_rows: 0, checksum: Checksum::default(), ..self }
    }

    /// Assembles a set from parts that a reader has checked: one label per sample, and at least one sample.
    pub(crate) fn assemble(features: usize, samples: Samples, labels: Vec<u32>, test_rows: usize) -> Self {
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        Self { classes, labels, test_rows, ..Self::of_samples(Task::Classification, features, samples) }
    }

    /// A set of samples without targets.
    pub(crate) fn of_samples(task: Task, features: usize, samples: Samples) -> Self {
        let about = About { features, bytes: matches!(samples, Samples::U8(_)), ..About::default() };
        Self {
            name: String::new(),
            task,
            features,
            classes: 0,
            samples,
            labels: vec![],
            values: vec![],
            validation_rows: 0,
            test_rows: 0,
            weights: None,
            groups: None,
            ids: vec![],
            about,
            notes: vec![],
            mismatch: None,
            checksum: Checksum::default(),
        }
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
        Ok(Self { weights: Some(weights), checksum: Checksum::default(), ..self })
    }

    /// `config` with the epochs and the α0 that suit this set instead of MNIST, see [`Config::suit`].
    #[must_use]
    pub fn suit(&self, mut config: Config) -> Config {
        config.suit(self.rows_to_split(), self.task, false, false);
        config
    }

    /// What is learnt.
    #[must_use]
    pub fn task(&self) -> Task {
        self.task
    }

    /// What is known of features and targets.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What the reader of the file took for what, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The targets of regression and of several labels, row-major `[rows, outputs]`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The weight of each row in the loss, if rows have weights.
    #[must_use]
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Whether the rows have targets. Sets for prediction may have none.
    #[must_use]
    pub fn has_targets(&self) -> bool {
        !self.labels.is_empty() || !self.values.is_empty()
    }

    /// The name under which the set was opened (`mnist`, `csv:FILE`, …) or that [`Self::named`] set.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of features of a sample, n_0.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of classes, n_L.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The features of all rows: the training samples, then the test set.
    #[must_use]
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The samples, for tests that need features that [`Self::new`] refuses.
    #[doc(hidden)]
    pub fn samples_mut(&mut self) -> &mut Samples {
        self.checksum = Checksum::default();
        &mut self.samples
    }

    /// The class of each row, 0 … `classes` − 1.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Number of rows in the canonical test set, which are the last ones; 0 if there is none.
    #[must_use]
    pub fn test_rows(&self) -> usize {
        self.test_rows
    }

    /// Number of rows, including those of the test set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len().checked_div(self.features).unwrap_or(0)
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// CRC-32 of sizes, samples and labels. It detects a resumed run whose data have changed.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        *self.checksum.0.get_or_init(|| self.compute_checksum())
    }

    fn compute_checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        for number in [self.features, self.classes, self.test_rows] {
            checksum.update(&(number as u64).to_le_bytes());
        }
        match &self.samples {
            Samples::U8(bytes) => checksum.update(bytes),
            Samples::F32(values) => checksum.update(bytemuck::cast_slice(values)),
        }
        checksum.update(bytemuck::cast_slice(&self.labels));
        checksum.update(bytemuck::cast_slice(&self.values));
        checksum.update(bytemuck::cast_slice(self.weights.as_deref().unwrap_or_default()));
        checksum.update(bytemuck::cast_slice(self.groups.as_deref().unwrap_or_default()));
        checksum.finalize()
    }

    /// Name, element size and dimensions of the array of features, for memory estimates.
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
    /// If there is no such row, or if `out` has another length.
    pub fn copy_row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.features, "a row needs one place per feature");
        self.samples.copy_row(row, out);
    }

    /// Writes the features of `row` from number `first` on to `out`, as many as `out` has places.
    pub(super) fn copy_part(&self, row: usize, first: usize, out: &mut [f32]) {
        self.samples.copy_from(row * self.features + first, out);
    }
}
