//! Puts the columns of a typed table together into a [`Raw`].

use super::roles::roles;
use super::shared::{Interner, text};
use crate::data::numbers::{Numbers, room};
use crate::data::raw::{Feature, Label, LabelValues, Raw, ReadOptions, Text};
use crate::data::read::row_count;
use crate::error::{Error, Result};
use crate::memory::{self, Array};
use std::collections::TryReserveError;
use std::path::Path;

/// The smallest integer whose successor is no f64.
const LARGEST_EXACT: u64 = 1 << 53;

/// A column of a table; `None` or NaN where a value is missing.
pub enum Column {
    Real(Vec<f64>),
    Integer(Integers),
    Text(Interner),
}

/// Whole numbers of 64 bits, of which some may be missing.
#[derive(Default)]
pub struct Integers {
    values: Vec<i64>,
    missing: Vec<bool>,
    /// Whether the bits are those of unsigned numbers.
    unsigned: bool,
}

impl Integers {
    /// No number yet.
    pub fn new(unsigned: bool) -> Self {
        Self { unsigned, ..Self::default() }
    }

    /// Appends a number, or a missing one.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn push(&mut self, value: Option<i64>) -> std::result::Result<(), TryReserveError> {
        room(&mut self.values, 1)?;
        room(&mut self.missing, 1)?;
        self.values.push(value.unwrap_or(0));
        self.missing.push(value.is_none());
        Ok(())
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn iter(&self) -> impl Iterator<Item = Option<i128>> + '_ {
        let number = |value: i64| if self.unsigned { i128::from(value.cast_unsigned()) } else { i128::from(value) };
        self.values.iter().zip(&self.missing).map(move |(&value, &missing)| (!missing).then(|| number(value)))
    }
}

impl Column {
    /// Number of values.
    pub fn rows(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Text(values) => values.rows(),
        }
    }

    /// The values as numbers, of which none is infinite.
    fn numbers(self) -> std::result::Result<Vec<f64>, String> {
        let values: Vec<f64> = match self {
            Self::Real(values) => values,
            Self::Integer(values) => values.iter().map(|value| value.map_or(f64::NAN, |value| value as f64)).collect(),
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
    fn text(self) -> std::result::Result<Text, String> {
        let column = match self {
            Self::Real(values) => text(values.iter().map(|value| (!value.is_nan()).then(|| value.to_string()))),
            Self::Integer(values) => text(values.iter().map(|value| value.map(|value| value.to_string()))),
            Self::Text(values) => Ok(values.finish()),
        };
        column.map_err(|_| "does not fit into memory".to_owned())
    }

    fn label(self) -> std::result::Result<LabelValues, String> {
        match self {
            Self::Text(_) => Ok(LabelValues::Text(self.text()?)),
            Self::Integer(values) => {
                // Two labels that round to the same f64 would silently become one class.
                let is_wide =
                    |value: Option<i128>| value.is_some_and(|v| v.unsigned_abs() >= u128::from(LARGEST_EXACT));
                let wide = values.iter().position(is_wide);
                match wide {
                    Some(row) => {
                        Err(format!("row {}: the label is beyond 2⁵³; number the classes 0, 1, 2, …", row + 1))
                    }
                    None => Ok(LabelValues::Numbers(Self::Integer(values).numbers()?)),
                }
            }
            Self::Real(_) => Ok(LabelValues::Numbers(self.numbers()?)),
        }
    }
}

/// A table whose columns are read one at a time, so that only the features of all columns lie in memory.
pub trait Columns {
    /// The names of the columns.
    fn names(&self) -> &[String];
    /// Number of rows.
    fn rows(&self) -> usize;
    /// Whether a column holds text.
    fn is_text(&self, place: usize) -> bool;
    /// Reads a column.
    fn read(&mut self, place: usize) -> std::result::Result<Column, String>;
}

/// Makes a set of the columns by the roles that `options` give them.
pub fn collect(path: &Path, table: &mut dyn Columns, options: &ReadOptions) -> Result<Raw> {
    let refuse = |reason: String| Error::file(path, reason);
    let names = table.names().to_vec();
    let roles = roles(&names, options).map_err(refuse)?;
    let of = |place: usize| {
        let name = &names[place];
        move |reason: String| Error::file(path, format!("column {name}: {reason}"))
    };
    let rows = table.rows();
    if rows == 0 {
        return Err(refuse("holds no samples".into()));
    }
    row_count(rows).map_err(refuse)?;
    let are_texts: Vec<bool> = (0..names.len()).map(|place| table.is_text(place)).collect();
    let mut read = |place: usize| {
        let column = table.read(place).map_err(refuse)?;
        match column.rows() == rows {
            true => Ok(column),
            false => Err(of(place)(format!("is damaged: it has {} of {rows} values", column.rows()))),
        }
    };
    let expected = options.expected.as_ref().map_or(&[][..], |expected| &expected.features);
    let texts: Vec<bool> = (roles.features.iter().enumerate())
        .map(|(index, &place)| expected.get(index).map_or(are_texts[place], |(_, is_text)| *is_text))
        .collect();
    let width = texts.iter().filter(|is_text| !**is_text).count();
    let planned = Array::new("features", size_of::<f32>(), &[("rows", rows), ("features", width)]);
    let (called, remedy) = (format!("reading {}", path.display()), "use fewer rows, or leave columns out with `drop`");
    memory::check_machine(&called, &[planned], remedy)?;
    let mut samples: Vec<f32> = vec![];
    let (mut features, mut next) = (vec![], 0);
    for (&place, is_text) in roles.features.iter().zip(texts) {
        if !is_text && are_texts[place] {
            return Err(of(place)("holds text, but the model was trained on numbers".into()));
        }
        let column = read(place)?;
        if is_text {
            let text = column.text().map_err(of(place))?;
            features.push(Feature { name: names[place].clone(), text: Some(text) });
            continue;
        }
        if samples.is_empty() {
            // Only now, because the number of rows is only a claim before a column has been read.
            let all = rows.saturating_mul(width);
            samples.try_reserve_exact(all).map_err(|_| memory::exhausted(&called, remedy))?;
            samples.resize(all, 0.0);
        }
        features.push(Feature { name: names[place].clone(), text: None });
        for (row, value) in column.numbers().map_err(of(place))?.into_iter().enumerate() {
            if (value as f32).is_infinite() {
                let reason = format!("row {}: {value} is beyond the range of an f32; rescale the feature", row + 1);
                return Err(of(place)(reason));
            }
            samples[row * width + next] = value as f32;
        }
        next += 1;
    }
    let mut labels = vec![];
    for &place in &roles.labels {
        labels.push(Label { name: Some(names[place].clone()), values: read(place)?.label().map_err(of(place))? });
    }
    let mut ids = vec![];
    for &place in &roles.ids {
        let Text { levels, codes } = read(place)?.text().map_err(of(place))?;
        let texts = codes.into_iter().map(|code| levels.get(code as usize).cloned().unwrap_or_default());
        ids.push((names[place].clone(), texts.collect()));
    }
    let weights = roles.weight.map(|place| read(place)?.numbers().map_err(of(place))).transpose()?;
    let groups = roles.group.map(|place| read(place)?.text().map_err(of(place))).transpose()?;
    Ok(Raw {
        parts: [rows, 0, 0],
        features,
        width,
        samples: Numbers::Reals(samples),
        may_be_one_hot: labels.len() > 1,
        labels,
        ids,
        weights,
        groups,
        image: None,
        notes: roles.notes,
    })
}
