//! What is known of a data set's columns and targets. Models keep it, so that predictions read other files alike.

use serde::{Deserialize, Serialize};

/// A feature column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name in the file.
    pub name: String,
    /// The distinct values of a column of text, sorted. Each is a feature that is 1 in the rows with this value, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<String>>,
}

/// What is known of the columns and targets of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The feature columns; empty if features are unnamed numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// Number of features; 0 if it is not known.
    #[serde(default)]
    pub features: usize,
    /// The names of the outputs: of the classes, in the order of their numbers, or of the targets. Empty if they are numbered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// The names of the label columns; empty if they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Rows, columns and channels of an image, if a sample is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 3]>,
    /// Whether features were bytes, which stand for 0 … 1.
    #[serde(default)]
    pub bytes: bool,
    /// Whether samples are digits in the format of MNIST: white ink on black, centred by mass in 28 × 28.
    #[serde(default)]
    pub digits: bool,
}

impl About {
    /// The name of output `k`: of a class or a target.
    #[must_use]
    pub fn output(&self, k: usize) -> String {
        self.outputs.get(k).cloned().unwrap_or_else(|| k.to_string())
    }

    /// The name of every feature; one per level for text. `None` if features are unnamed.
    #[must_use]
    pub fn feature_names(&self) -> Option<Vec<String>> {
        let names = self.columns.iter().flat_map(|column| match &column.levels {
            Some(levels) => levels.iter().map(|level| format!("{}={level}", column.name)).collect(),
            None => vec![column.name.clone()],
        });
        (!self.columns.is_empty()).then(|| names.collect())
    }

    /// Whether each feature stands for a level of a text column.
    #[must_use]
    pub fn is_level(&self) -> Vec<bool> {
        let places = self.columns.iter().flat_map(|column| match &column.levels {
            Some(levels) => vec![true; levels.len()],
            None => vec![false],
        });
        places.collect()
    }
}
