//! How people see a metric: its number, its column of the progress table and its chart.

use crate::text;

/// How a metric is written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With this many decimals.
    Decimals(usize),
    /// A share, 0 … 1, in per cent with this many decimals.
    Percent(usize),
    /// A whole number with its thousands set apart.
    Count,
    /// With this many significant digits, for values in units of their own.
    Significant(usize),
}

impl Format {
    /// The value as people read it.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Decimals(decimals) => format!("{value:.decimals$}"),
            Self::Percent(decimals) => format!("{:.decimals$} %", 100.0 * value),
            Self::Count => text::thousands(value),
            Self::Significant(digits) => text::significant(value, digits),
        }
    }
}

/// A column of the table that `homeostat train` prints.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading; the first of a layer's columns has the number of the layer behind it.
    pub heading: &'static str,
    /// Characters.
    pub width: usize,
}

/// A chart of the report, which several metrics may share.
#[derive(Clone, Copy, Debug)]
pub struct Chart {
    /// Its title.
    pub title: &'static str,
    /// What values are divided by.
    pub unit: f64,
    /// Whether a report on several runs has it, too.
    pub compared: bool,
}
