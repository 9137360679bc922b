//! What the readers of all formats deliver: columns and arrays as they lie in the file. `encode` makes a
//! [`DataSet`](super::DataSet) of them: it infers the task from the labels and turns text into numbers.

use super::numbers::Numbers;

/// The code of a missing text value.
pub const MISSING: u32 = u32::MAX;

/// A column of text: its distinct values, sorted, and for each row the place of its value among them or [`MISSING`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The distinct values, in ascending order of their bytes.
    pub levels: Vec<String>,
    /// One per row.
    pub codes: Vec<u32>,
}

/// A feature column.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The name in the file; in a table without a header the position, from 1.
    pub name: String,
    /// The values, if the column holds text. Numbers stand in [`Raw::samples`].
    pub text: Option<Text>,
}

/// The values of a label column.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelValues {
    /// Numbers; NaN where one is missing.
    Numbers(Vec<f64>),
    /// Text.
    Text(Text),
}

/// A label column.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The name in the file; `None` if it has none.
    pub name: Option<String>,
    /// One value per row.
    pub values: LabelValues,
}

/// Columns and arrays as they lie in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    /// Rows to train on, to validate on and to test on. They stand in this order.
    pub parts: [usize; 3],
    /// The feature columns in the order of the file; empty if they are unnamed numbers, such as the pixels of an image.
    pub features: Vec<Feature>,
    /// Number of features that are numbers.
    pub width: usize,
    /// The features that are numbers, row-major `[rows, width]`; NaN where one is missing.
    pub samples: Numbers,
    /// The label columns; empty if there is none.
    pub labels: Vec<Label>,
    /// Whether several label columns of zeros and ones may be one class written as one-hot.
    pub may_be_one_hot: bool,
    /// Columns to pass through: name and one value per row.
    pub ids: Vec<(String, Vec<String>)>,
    /// The weight of each row.
    pub weights: Option<Vec<f64>>,
    /// The group of each row; rows of a group stay together in every split.
    pub groups: Option<Text>,
    /// Rows, columns and channels of an image, if a sample is one.
    pub image: Option<[usize; 3]>,
    /// What was taken for what, one sentence each.
    pub notes: Vec<String>,
}

/// How a file is to be read, as far as the user has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// The byte between two fields of a table.
    pub delimiter: Option<u8>,
    /// Whether the first row of a table is a header.
    pub header: Option<bool>,
    /// The label columns, by name or by position from 1; empty = found by name, else the last.
    pub label: Vec<String>,
    /// Columns to leave out, by name or position.
    pub drop: Vec<String>,
    /// Columns to pass through, by name or position.
    pub id: Vec<String>,
    /// The column of the weights of the samples, by name or position.
    pub weight: Option<String>,
    /// The column of the groups of the samples, by name or position.
    pub group: Option<String>,
    /// Rows and columns to which images of a folder are scaled; `None` = they must all have one size.
    pub image_size: Option<[usize; 2]>,
    /// The columns that a model was trained on. The file is then matched to them and may lack the labels.
    pub expected: Option<Expected>,
}

impl ReadOptions {
    /// The name of a setting that is given though only tables have columns, if there is one.
    pub(super) fn table_setting(&self) -> Option<&'static str> {
        let settings = [
            ("label", !self.label.is_empty()),
            ("drop", !self.drop.is_empty()),
            ("id", !self.id.is_empty()),
            ("weight", self.weight.is_some()),
            ("group", self.group.is_some()),
            ("delimiter", self.delimiter.is_some()),
            ("header", self.header.is_some()),
        ];
        settings.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}

/// The columns that a model was trained on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Name of each feature column, and whether it holds text; empty if they had no names.
    pub features: Vec<(String, bool)>,
    /// Names of the label columns.
    pub labels: Vec<String>,
}
