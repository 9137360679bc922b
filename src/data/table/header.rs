//! Distinguishes a header from a row, and names the columns after the header.

use super::dialect::{Head, Row, sample};
use super::fields::{Comments, Dialect};
use super::value::{NOT_UTF8, Value, count, value};
use crate::data::raw::ReadOptions;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Names that a label column usually has.
const LABEL_NAMES: [&str; 6] = ["label", "class", "target", "y", "species", "outcome"];

/// Rows from which values that repeat each other say something.
const ENOUGH: usize = 10;

/// The fields of a comment that names as many columns as the first row has, as `numpy.savetxt(header="a b")` writes it.
pub fn commented_header<'a>(comment: &'a [u8], dialect: Dialect, first: &Row) -> Option<Vec<Cow<'a, [u8]>>> {
    let line = Head { bytes: comment.to_vec(), whole: true, start: (0, 0), delimiter: None };
    // `numpy.savetxt` separates rows by spaces, but writes the header as it is given, often with commas.
    [dialect.delimiter, b',', b' '].into_iter().find_map(|delimiter| {
        let mut sample = sample(&line, Dialect { delimiter, comments: Comments::No, ..dialect }, 1);
        let fields = sample.rows.pop()?.fields;
        let numbers = fields.iter().filter(|field| kind(field, dialect) == Kind::Number).count();
        let fits = fields.len() == first.fields.len() && fields.len() > 1 && 2 * numbers < fields.len();
        fits.then(|| fields.into_iter().map(|field| Cow::Owned(field.into_owned())).collect())
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number,
    Truth,
    Missing,
    Text,
}

fn kind(field: &[u8], dialect: Dialect) -> Kind {
    match value::<f64>(field, dialect.decimal_comma) {
        Value::Number(_) | Value::Beyond | Value::Infinite => Kind::Number,
        Value::Truth(_) => Kind::Truth,
        Value::Missing => Kind::Missing,
        Value::Other => Kind::Text,
    }
}

/// Whether the first of `rows` is a header.
///
/// Every column has a vote. Text above numbers speaks for a header, and a number above numbers against one. Text above
/// text speaks against one if it occurs again, and for one if the others repeat each other. If no column votes, text
/// that never occurs again is a header.
pub fn first_is_header(rows: &[Row], dialect: Dialect, options: &ReadOptions) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    let cells: Vec<&[u8]> = first.fields.iter().map(|field| field.trim_ascii()).collect();
    let shift = usize::from(lacks_one(rows));
    let is_expected = |cell: &[u8]| {
        let features = options.expected.iter().flat_map(|expected| expected.features.iter().map(|(name, _)| name));
        let mut names = features.chain(options.expected.iter().flat_map(|expected| &expected.labels));
        names.any(|name| !name.is_empty() && name.as_bytes() == cell && name.parse::<u64>().is_err())
    };
    if cells.iter().any(|cell| is_expected(cell)) || counts(&cells, shift > 0) {
        return true;
    }
    let kinds: Vec<Kind> = cells.iter().map(|cell| kind(cell, dialect)).collect();
    if below.is_empty() {
        return kinds.iter().all(|&kind| kind == Kind::Text);
    }
    if are_names_and_numbers(&cells, &kinds, below, shift, dialect) {
        return true;
    }
    let (mut pro, mut contra) = (0, 0);
    for (column, (cell, kind)) in cells.iter().zip(&kinds).enumerate() {
        match vote(cell, *kind, below, column + shift, dialect) {
            Some(true) => pro += 1,
            Some(false) => contra += 1,
            None => {}
        }
    }
    match (pro, contra) {
        (0, 0) => kinds.iter().all(|&kind| kind == Kind::Text),
        _ => pro > contra,
    }
}

/// Whether `cells` are names some of which are numbers, such as `2019,2020,label`.
///
/// The numbers among such names differ, and no text occurs again below. At least one of these conditions also holds:
///
/// - The values below a text repeat each other.
/// - A text stands above numbers and is the name of a label.
/// - A text stands above numbers, and the numbers among the names are whole and rise in equal steps.
fn are_names_and_numbers(cells: &[&[u8]], kinds: &[Kind], below: &[Row], shift: usize, dialect: Dialect) -> bool {
    let of = |kind: Kind| cells.iter().zip(kinds).filter(move |(_, other)| **other == kind).map(|(cell, _)| *cell);
    let numbers: Vec<&[u8]> = of(Kind::Number).collect();
    let distinct: HashSet<&[u8]> = numbers.iter().copied().collect();
    if numbers.is_empty() || distinct.len() < numbers.len() || below.len() < ENOUGH {
        return false;
    }
    let whole: Option<Vec<u64>> = numbers.iter().map(|cell| count(cell)).collect();
    let rise = whole.is_some_and(|whole| {
        let steps: Vec<Option<u64>> = whole.windows(2).map(|pair| pair[1].checked_sub(pair[0])).collect();
        steps.first().is_some_and(|&step| step > Some(0)) && steps.windows(2).all(|pair| pair[0] == pair[1])
    });
    let mut is_header = false;
    for (column, cell) in cells.iter().enumerate().filter(|(column, _)| kinds[*column] == Kind::Text) {
        let values = below.iter().filter_map(|row| row.fields.get(column + shift)).map(|field| field.trim_ascii());
        let (mut all, mut numbers, mut distinct) = (0, 0, HashSet::new());
        for value in values.filter(|value| kind(value, dialect) != Kind::Missing) {
            all += 1;
            numbers += usize::from(kind(value, dialect) == Kind::Number);
            distinct.insert(value);
        }
        let is_word = cell.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
        if distinct.contains(cell) || !is_word {
            return false;
        }
        let names_numbers = all > 0 && numbers == all && (is_label_name(cell) || rise);
        is_header |= names_numbers || (all >= ENOUGH && 2 * distinct.len() <= all);
    }
    is_header
}

/// Whether a label column is usually called so.
pub fn is_label_name(name: &[u8]) -> bool {
    LABEL_NAMES.iter().any(|label| name.eq_ignore_ascii_case(label.as_bytes()))
}

/// Whether the first of `rows` has exactly one field fewer than all others, whose first fields name them, as R writes it.
pub fn lacks_one(rows: &[Row]) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    let mut names = HashSet::new();
    // A delimiter that ends every row is followed by nothing.
    below.iter().any(|row| row.fields.last().is_some_and(|field| !field.is_empty()))
        && below.iter().all(|row| {
            let name = &*row.fields[0];
            // A fraction names no row.
            let is_name = !matches!(value::<f64>(name, false), Value::Number(_)) || count(name).is_some();
            row.fields.len() == first.fields.len() + 1 && !name.is_empty() && is_name && names.insert(name)
        })
}

/// The vote of a column whose first value is `cell`.
fn vote(cell: &[u8], cell_kind: Kind, below: &[Row], column: usize, dialect: Dialect) -> Option<bool> {
    let values = || below.iter().filter_map(|row| row.fields.get(column)).map(|field| field.trim_ascii());
    let (mut numbers, mut truths, mut texts) = (0, 0, 0);
    for field in values() {
        match kind(field, dialect) {
            Kind::Number => numbers += 1,
            Kind::Truth => truths += 1,
            Kind::Text => texts += 1,
            Kind::Missing => {}
        }
    }
    let all = numbers + truths + texts;
    if all == 0 || cell_kind == Kind::Missing {
        return None;
    }
    if 10 * (numbers + truths) >= 9 * all {
        return Some(cell_kind == Kind::Text);
    }
    if cell_kind != Kind::Text {
        return None;
    }
    let distinct: HashSet<&[u8]> = values().collect();
    let repeat = all >= 4 && 2 * distinct.len() <= all;
    if distinct.contains(cell) { Some(false) } else { repeat.then_some(true) }
}

/// Whether cells count 0, 1, 2, …, as the columns of an unnamed table do. The first may be empty or left out, above the
/// index, and the last may be a name.
fn counts(cells: &[&[u8]], without_index: bool) -> bool {
    let unnamed = cells.first().is_some_and(|cell| cell.is_empty());
    let indexed = unnamed || without_index;
    let cells = &cells[usize::from(unnamed)..];
    let named = cells.last().is_some_and(|cell| is_label_name(cell));
    let numbers = &cells[..cells.len() - usize::from(named)];
    // `0,1` may as well be a row.
    let enough = if indexed || named { 1 } else { 3 };
    numbers.len() >= enough && numbers.iter().enumerate().all(|(place, cell)| *cell == place.to_string().as_bytes())
}

/// Names, and the columns of those that occur more than once.
type Names = (Vec<String>, HashMap<String, Vec<usize>>);

/// The names in a header. Unnamed and repeated ones are named as pandas does it.
///
/// # Errors
/// If one is not UTF-8.
pub fn names(fields: &[Cow<[u8]>]) -> Result<Names, String> {
    // A header may have a million long names, so that tables of them borrow.
    let mut plain: Vec<Cow<str>> = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let name = std::str::from_utf8(field).map_err(|_| NOT_UTF8.to_owned())?;
        plain.push(match name.trim().trim_start_matches('\u{feff}') {
            "" => format!("Unnamed: {place}").into(),
            name => name.into(),
        });
    }
    let mut counts = HashMap::<&str, usize>::new();
    plain.iter().for_each(|name| *counts.entry(name).or_default() += 1);
    let mut names = Vec::with_capacity(fields.len());
    let mut places = HashMap::<String, Vec<usize>>::new();
    // How many columns have had each name so far, so that many equal names cost no search each.
    let mut taken = HashMap::<Cow<str>, u64>::new();
    for (place, name) in plain.iter().enumerate() {
        if counts[&**name] > 1 {
            places.entry(name.to_string()).or_default().push(place);
        }
        let mut copies = taken.get(name).copied().unwrap_or(0);
        let mut unique = Cow::Borrowed(&**name);
        while taken.contains_key(&unique) {
            copies += 1;
            unique = format!("{name}.{copies}").into();
        }
        names.push(unique.to_string());
        taken.insert(Cow::Borrowed(name), copies);
        taken.entry(unique).or_insert(0);
    }
    Ok((names, places))
}
