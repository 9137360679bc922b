//! A labelled data set: rows of features with labels, held in memory and checked when the set is made.

use super::about::About;
use crate::config::{Config, Task};
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

impl Samples {
    pub(super) fn len(&self) -> usize {
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
    pub(super) checksum: Checksum,
}

/// [`DataSet::checksum`], once somebody has asked for it. It follows from the rest, so it tells no sets apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Checksum(OnceLock<u32>);

impl PartialEq for Checksum {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl DataSet {
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
