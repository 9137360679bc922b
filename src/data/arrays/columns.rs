//! Puts the columns of a typed table together into a [`Raw`].

use super::roles::roles;
use super::shared::text;
use crate::data::numbers::Numbers;
use crate::data::raw::{Feature, Label, LabelValues, Raw, ReadOptions};
use crate::data::read::row_count;
use crate::error::{Error, Result};
use crate::memory;
use std::path::Path;

/// The smallest integer whose successor is no f64.
const LARGEST_EXACT: u64 = 1 << 53;

/// A column of a table; `None` or NaN where a value is missing.
pub enum Column {
    Real(Vec<f64>),
    Integer(Vec<Option<i128>>),
    Text(Vec<Option<String>>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// The values as numbers, of which none is infinite.
    fn numbers(&self) -> std::result::Result<Vec<f64>, String> {
        let number = |value: &Option<i128>| value.map_or(f64::NAN, |value| value as f64);
        let values: Vec<f64> = match self {
            Self::Real(values) => values.clone(),
            Self::Integer(values) => values.iter().map(number).collect(),
            Self::Text(_) => return Err("holds text where numbers belong".into()),
        };
        match values.iter().position(|value| value.is_infinite()) {
            Some(row) => {
                Err(format!("row {}: {} is not finite; leave it empty if it is missing", row + 1, values[row]))
            }
            None => Ok(values),
        }
    }

    /// The values as text.
    fn texts(&self) -> Vec<Option<String>> {
        match self {
            Self::Real(values) => values.iter().map(|value| (!value.is_nan()).then(|| value.to_string())).collect(),
            Self::Integer(values) => values.iter().map(|value| value.map(|value| value.to_string())).collect(),
            Self::Text(values) => values.clone(),
        }
    }

    fn label(&self) -> std::result::Result<LabelValues, String> {
        match self {
            Self::Text(values) => Ok(LabelValues::Text(text(values))),
            Self::Integer(values) => {
                // Two labels that round to the same f64 would silently become one class.
                let is_wide =
                    |value: &Option<i128>| value.is_some_and(|v| v.unsigned_abs() >= u128::from(LARGEST_EXACT));
                match values.iter().position(is_wide) {
                    Some(row) => {
                        Err(format!("row {}: the label is beyond 2⁵³; number the classes 0, 1, 2, …", row + 1))
                    }
                    None => Ok(LabelValues::Numbers(self.numbers()?)),
                }
            }
            Self::Real(_) => Ok(LabelValues::Numbers(self.numbers()?)),
        }
    }
}

/// Makes a set of the columns, which are equally long, by the roles that `options` give them.
pub fn collect(path: &Path, names: &[String], columns: &[Column], options: &ReadOptions) -> Result<Raw> {
    let refuse = |reason: String| Error::file(path, reason);
    let roles = roles(names, options).map_err(refuse)?;
    let of = |place: usize| move |reason: String| Error::file(path, format!("column {}: {reason}", names[place]));
    let rows = columns.iter().map(Column::len).max().unwrap_or(0);
    if rows == 0 {
        return Err(refuse("holds no samples".into()));
    }
    row_count(rows).map_err(refuse)?;
    let expected = options.expected.as_ref().map_or(&[][..], |expected| &expected.features);
    let (mut features, mut numbers) = (vec![], vec![]);
    for (index, &place) in roles.features.iter().enumerate() {
        let column = &columns[place];
        let is_text = match (expected.get(index), column) {
            (Some((_, false)), Column::Text(_)) => {
                return Err(of(place)("holds text, but the model was trained on numbers".into()));
            }
            (Some((_, is_text)), _) => *is_text,
            (None, column) => matches!(column, Column::Text(_)),
        };
        features.push(Feature { name: names[place].clone(), text: is_text.then(|| text(&column.texts())) });
        if !is_text {
            let values = column.numbers().map_err(of(place))?;
            if let Some(row) = values.iter().position(|&value| (value as f32).is_infinite()) {
                let reason =
                    format!("row {}: {} is beyond the range of an f32; rescale the feature", row + 1, values[row]);
                return Err(of(place)(reason));
            }
            numbers.push(values);
        }
    }
    let label = |&place: &usize| {
        Ok(Label { name: Some(names[place].clone()), values: columns[place].label().map_err(of(place))? })
    };
    let labels = roles.labels.iter().map(label).collect::<Result<Vec<_>>>()?;
    let id = |&place: &usize| {
        (names[place].clone(), columns[place].texts().into_iter().map(Option::unwrap_or_default).collect())
    };
    let samples = (0..rows).flat_map(|row| numbers.iter().map(move |values| values[row] as f32)).collect();
    Ok(Raw {
        parts: [rows, 0, 0],
        features,
        width: numbers.len(),
        samples: Numbers::Reals(samples),
        may_be_one_hot: labels.len() > 1,
        labels,
        ids: roles.ids.iter().map(id).collect(),
        weights: roles.weight.map(|place| columns[place].numbers().map_err(of(place))).transpose()?,
        groups: roles.group.map(|place| text(&columns[place].texts())),
        image: None,
        notes: roles.notes,
    })
}
