//! Columns that number or identify the rows, and so are no features.

use super::layout::Layout;
use super::names::is_id_name;
use super::value::{Value, count, value};
use std::collections::HashSet;

/// Rows from which whole numbers that all differ are ids, though they do not count up.
const MANY: usize = 10;

/// Rows from which a first column without a name that counts them is an index.
const FEW: usize = 3;

/// Whole numbers in the order of the rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Counter {
    /// No row yet.
    Empty,
    /// They count up by one: the first number and how many there are.
    Up(u64, u64),
    /// They do not.
    Any(Vec<u64>),
    /// Some values are no whole numbers.
    Broken,
}

impl Counter {
    /// Appends the value of the next row.
    pub fn push(&mut self, field: &[u8]) {
        match (&mut *self, count(field)) {
            (Self::Broken, _) => {}
            (_, None) => *self = Self::Broken,
            (Self::Any(numbers), Some(next)) => numbers.push(next),
            (_, Some(next)) => self.append(Self::Up(next, 1)),
        }
    }

    /// Appends later rows.
    pub fn append(&mut self, more: Self) {
        *self = match (std::mem::replace(self, Self::Broken), more) {
            (Self::Empty, more) => more,
            (same, Self::Empty) => same,
            (Self::Broken, _) | (_, Self::Broken) => Self::Broken,
            (Self::Up(first, rows), Self::Up(next, more)) if first.checked_add(rows) == Some(next) => {
                Self::Up(first, rows + more)
            }
            (same, more) => {
                let mut numbers = same.numbers();
                numbers.extend(more.numbers());
                Self::Any(numbers)
            }
        }
    }

    fn numbers(self) -> Vec<u64> {
        match self {
            Self::Any(numbers) => numbers,
            // The sum may be one beyond the largest number.
            Self::Up(first, rows) => (0..rows).map(|row| first.saturating_add(row)).collect(),
            Self::Empty | Self::Broken => vec![],
        }
    }

    /// Whether these are the numbers of an index. Without a name above it, it must count the rows.
    pub fn is_index(&self, has_header: bool) -> bool {
        match self {
            Self::Up(first, rows) => has_header || (*first <= 1 && *rows >= FEW as u64),
            Self::Any(numbers) if has_header => {
                let mut sorted = numbers.clone();
                sorted.sort_unstable();
                sorted.windows(2).all(|pair| pair[0] != pair[1])
            }
            _ => false,
        }
    }
}

/// Columns that are neither an index nor ids, as far as the first rows show.
pub fn refuted_by_head(layout: &Layout) -> HashSet<usize> {
    let is_refuted = |column: usize| {
        let values = || layout.rows.iter().filter_map(|row| row.fields.get(column)).map(|field| &**field);
        if is_index_candidate(layout, column) {
            let mut counter = Counter::Empty;
            values().for_each(|field| counter.push(field));
            return !counter.is_index(layout.has_header);
        }
        is_id_candidate(layout, column) && !tells_apart(values(), layout.dialect.decimal_comma)
    };
    (0..layout.names.len()).filter(|&column| is_refuted(column)).collect()
}

/// Whether a column may be the index that pandas writes.
pub fn is_index_candidate(layout: &Layout, column: usize) -> bool {
    if !layout.has_header {
        return column == 0 && layout.names.len() > 2;
    }
    // A table that is written, read and written again has two of them.
    layout.names.iter().take(column + 1).enumerate().all(|(place, name)| {
        let unnamed = name.strip_prefix("Unnamed: ").and_then(|rest| rest.split('.').next());
        let is_named = ["index", "level_0"].iter().any(|index| name.eq_ignore_ascii_case(index));
        unnamed.is_some_and(|first| first == "0" || first == place.to_string()) || (is_named && layout.names.len() > 2)
    })
}

/// Whether a column holds ids, by its name.
pub fn is_id_candidate(layout: &Layout, column: usize) -> bool {
    layout.has_header && is_id_name(&layout.names[column])
}

/// Whether ids are whole numbers that count up by one, many whole numbers that all differ, or texts that do.
pub fn tells_apart<'a>(ids: impl Iterator<Item = &'a [u8]> + Clone, decimal_comma: bool) -> bool {
    let mut counter = Counter::Empty;
    ids.clone().for_each(|id| counter.push(id));
    match &counter {
        Counter::Up(..) => true,
        Counter::Any(numbers) => numbers.len() >= MANY && counter.is_index(true),
        _ => are_distinct_texts(ids, decimal_comma),
    }
}

/// Whether `values` all differ, none is missing, and not all are numbers.
fn are_distinct_texts<'a>(values: impl Iterator<Item = &'a [u8]>, decimal_comma: bool) -> bool {
    let (mut seen, mut text) = (HashSet::new(), false);
    for field in values {
        match value::<f64>(field, decimal_comma) {
            Value::Missing => return false,
            Value::Other => text = true,
            _ => {}
        }
        if !seen.insert(field) {
            return false;
        }
    }
    text
}
