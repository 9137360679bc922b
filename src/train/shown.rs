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

    /// The value in at most `width` characters: with fewer decimals or in thousands where it is too long, and as a power of
    /// ten where that is not enough. A loss or rate of which fewer than two digits would be left is a power of ten, too,
    /// because a small α must not read as 0.
    #[must_use]
    pub fn text_within(self, value: f64, width: usize) -> String {
        let forms: Vec<String> = match self {
            Self::Decimals(most) => {
                let shows = |decimals: &usize| {
                    // Two decimals are meant to hide what is small, as of a time.
                    most < 4
                        || value == 0.0
                        || !value.is_finite()
                        || value.abs() * 10_f64.powi(*decimals as i32 - 1) > 0.99
                };
                (0..=most).rev().filter(shows).map(|decimals| Self::Decimals(decimals).text(value)).collect()
            }
            Self::Percent(most) => (0..=most).rev().map(|decimals| Self::Percent(decimals).text(value)).collect(),
            Self::Count => {
                let thousands = [(1.0, ""), (1e3, " k"), (1e6, " M")];
                thousands.map(|(unit, name)| self.text(value / unit) + name).into()
            }
            Self::Significant(_) => vec![self.text(value)],
        };
        let mut forms = forms.into_iter().chain([format!("{value:.1e}")]);
        forms.find(|text| text.chars().count() <= width).unwrap_or_else(|| format!("{value:.0e}"))
    }
}

/// A column of the table that `homeostat train` prints.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading; that of a layer's column has the number of the layer behind it.
    pub heading: &'static str,
    /// Characters.
    pub width: usize,
    /// A shorter name than the key for `--columns`.
    pub short: Option<&'static str>,
    /// Columns of a lower rank are placed first, until the line is full. `None` = shown only where it is asked for.
    pub rank: Option<u8>,
    /// Whether all layers share one cell, in which a share of each is a bar.
    pub bars: bool,
}

impl Column {
    /// A column that is shown only where it is asked for by its key.
    #[must_use]
    pub(super) const fn new(heading: &'static str, width: usize) -> Self {
        Self { heading, width, short: None, rank: None, bars: false }
    }

    pub(super) const fn short(self, name: &'static str) -> Self {
        Self { short: Some(name), ..self }
    }

    pub(super) const fn rank(self, rank: u8) -> Self {
        Self { rank: Some(rank), ..self }
    }

    pub(super) const fn bars(self) -> Self {
        Self { bars: true, ..self }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_its_column() {
        for (format, value, width, text) in [
            (Format::Decimals(5), 0.28398, 10, "0.28398"),
            (Format::Decimals(5), 0.28398, 6, "0.2840"),
            (Format::Decimals(5), 0.0, 6, "0.0000"),
            (Format::Decimals(5), 0.001, 6, "0.0010"),
            (Format::Decimals(5), 0.000_44, 6, "4.4e-4"),
            (Format::Decimals(5), 3e-12, 6, "3e-12"),
            (Format::Decimals(5), 123_456_789.0, 10, "123456789"),
            (Format::Decimals(5), 1.5e300, 10, "1.5e300"),
            (Format::Decimals(5), -0.25, 8, "-0.25000"),
            (Format::Decimals(5), f64::NAN, 6, "NaN"),
            (Format::Decimals(5), f64::INFINITY, 6, "inf"),
            (Format::Decimals(2), 0.004, 7, "0.00"),
            (Format::Decimals(2), 123_456.78, 7, "123457"),
            (Format::Percent(2), 0.0303, 7, "3.03 %"),
            (Format::Percent(2), 1.0, 7, "100.0 %"),
            (Format::Percent(2), 0.000_02, 7, "0.00 %"),
            (Format::Count, 100_945.0, 9, "100 945"),
            (Format::Count, 12_345_678.0, 9, "12 346 k"),
            (Format::Count, 12_345_678_901.0, 9, "12 346 M"),
        ] {
            assert_eq!(format.text_within(value, width), text, "{value} in {width}");
        }
    }
}
