//! Tells from the start of a file where its header and rows are, and what its columns are called.

use super::dialect::{Head, Row, Sample, sample, tell};
use super::fields::Dialect;
use super::value::{NOT_UTF8, Value, value};
use crate::data::raw::ReadOptions;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Records from which header and kinds of columns are told.
const MANY: usize = 1000;

/// Names that a label column usually has.
pub const LABEL_NAMES: [&str; 6] = ["label", "class", "target", "y", "species", "outcome"];

/// Where the header and the rows of a file are.
pub struct Layout<'a> {
    /// How fields are marked.
    pub dialect: Dialect,
    /// The names of the columns; without a header their positions, from 1.
    pub names: Vec<String>,
    /// Whether the names are those of a header.
    pub has_header: bool,
    /// Whether every record ends in a delimiter, after which there is no further column.
    pub trailing: bool,
    /// Bytes before the first row.
    pub start: usize,
    /// Ends of lines before the first row.
    pub line: u64,
    /// The first rows.
    pub rows: Vec<Row<'a>>,
    /// What was taken for what.
    pub note: String,
}

/// Tells the layout of the file that begins with `head`.
///
/// # Errors
/// If there is no row; the reason comes with its line, from 1, if there is one.
pub fn layout<'a>(head: &'a Head, options: &ReadOptions) -> Result<Layout<'a>, (Option<u64>, String)> {
    if head.bytes.contains(&0) {
        return Err((None, "holds zero bytes, so it is no table of text".into()));
    }
    let mut dialect = tell(head, options.delimiter);
    let Sample { mut rows, comment, fault } = sample(head, dialect, MANY);
    let Some(first) = rows.first() else {
        return Err(match fault {
            Some((line, reason)) => (Some(line), reason),
            None if comment.is_some() => (None, "holds comments only, no rows".into()),
            None => (None, "holds no samples; a line holds the fields of one sample".into()),
        });
    };
    let commented = comment.and_then(|comment| commented_header(comment, dialect, first));
    let is_header = match options.header {
        Some(header) => header && (commented.is_none() || first_is_header(&rows, dialect, options)),
        None => first_is_header(&rows, dialect, options),
    };
    let commented = commented.filter(|_| !is_header && options.header != Some(false));
    let header_line = first.line;
    let mut header = None;
    if is_header {
        header = Some(rows.remove(0).fields);
    } else if let Some(names) = commented {
        // The first row of a table whose header is `#id,x` may begin with the sign as well.
        dialect.comments = comment.is_some_and(|comment| comment.first().is_none_or(|&byte| dialect.is_blank(byte)));
        header = Some(names);
    }
    let Some(first) = rows.first() else {
        return Err(match fault {
            Some((line, reason)) => (Some(line), reason),
            None => (None, format!("holds a header (line {}) but no rows", header_line + 1)),
        });
    };
    let (start, line) = (first.at, first.line);
    let (has_header, width) = (header.is_some(), first.fields.len());
    let ends_empty = rows.iter().all(|row| row.fields.len() == width && row.fields[width - 1].is_empty());
    let trailing = width > 2 && !dialect.is_spaced() && ends_empty && {
        let name = header.as_ref().map(|names| (names.len(), names.last().is_some_and(|name| name.is_empty())));
        name.is_none_or(|(columns, unnamed)| columns + 1 == width || (columns == width && unnamed))
    };
    let names = match header {
        None => (1..=width - usize::from(trailing)).map(|position| position.to_string()).collect(),
        Some(mut fields) => {
            if trailing {
                fields.truncate(width - 1);
            }
            names(&fields).map_err(|reason| (Some(header_line + 1), reason))?
        }
    };
    let note = describe(dialect, has_header.then_some((is_header, header_line)), trailing);
    Ok(Layout { dialect, names, has_header, trailing, start, line, rows, note })
}

/// The sentence on how the file is laid out. `header` is whether it is a row, and the ends of lines before the row.
fn describe(dialect: Dialect, header: Option<(bool, u64)>, trailing: bool) -> String {
    let delimiter = match dialect.delimiter {
        b',' => "commas".to_owned(),
        b';' => "semicolons".into(),
        b'\t' => "tabs".into(),
        b' ' => "spaces".into(),
        other => format!("‘{}’", char::from(other).escape_debug()),
    };
    let header = match header {
        Some((true, line)) => format!("line {} is the header", line + 1),
        Some((false, _)) => "the comment before the first row is the header".into(),
        None => "there is no header, so columns are numbered from 1".into(),
    };
    let decimals = if dialect.decimal_comma { ", numbers have a decimal comma" } else { "" };
    let trailing = if trailing { ", a delimiter ends every line" } else { "" };
    format!("fields are separated by {delimiter}{decimals}{trailing}, and {header}")
}

/// The fields of a comment that names as many columns as the first row has, as `numpy.savetxt(header="a b")` writes it.
fn commented_header<'a>(comment: &'a [u8], dialect: Dialect, first: &Row) -> Option<Vec<Cow<'a, [u8]>>> {
    let line = Head { bytes: comment.to_vec(), whole: true };
    // `numpy.savetxt` separates rows by spaces, but writes the header as it is given, often with commas.
    [dialect.delimiter, b',', b' '].into_iter().find_map(|delimiter| {
        let mut sample = sample(&line, Dialect { delimiter, comments: false, ..dialect }, 1);
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
fn first_is_header(rows: &[Row], dialect: Dialect, options: &ReadOptions) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    let cells: Vec<&[u8]> = first.fields.iter().map(|field| field.trim_ascii()).collect();
    let is_expected = |cell: &[u8]| {
        let mut names = options.expected.iter().flat_map(|expected| &expected.features);
        names.any(|(name, _)| name.as_bytes() == cell && name.parse::<u64>().is_err())
    };
    if cells.iter().any(|cell| is_expected(cell)) || counts(&cells) {
        return true;
    }
    let kinds: Vec<Kind> = cells.iter().map(|cell| kind(cell, dialect)).collect();
    if below.is_empty() {
        return kinds.iter().all(|&kind| kind == Kind::Text);
    }
    let (mut pro, mut contra) = (0, 0);
    for (column, (cell, kind)) in cells.iter().zip(&kinds).enumerate() {
        match vote(cell, *kind, below, column, dialect) {
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

/// Whether cells count 0, 1, 2, …, as the columns of an unnamed table do. The first may be empty, above the index, and
/// the last may be a name.
fn counts(cells: &[&[u8]]) -> bool {
    let indexed = cells.first().is_some_and(|cell| cell.is_empty());
    let cells = &cells[usize::from(indexed)..];
    let named =
        cells.last().is_some_and(|cell| LABEL_NAMES.iter().any(|name| cell.eq_ignore_ascii_case(name.as_bytes())));
    let numbers = &cells[..cells.len() - usize::from(named)];
    // `0,1` may as well be a row.
    let enough = if indexed || named { 1 } else { 3 };
    numbers.len() >= enough && numbers.iter().enumerate().all(|(place, cell)| *cell == place.to_string().as_bytes())
}

/// The names in a header. Unnamed and repeated ones are named as pandas does it.
fn names(fields: &[Cow<[u8]>]) -> Result<Vec<String>, String> {
    let mut names = Vec::with_capacity(fields.len());
    // How many columns have had each name so far, so that many equal names cost no search each.
    let mut taken = HashMap::<String, u64>::new();
    for (place, field) in fields.iter().enumerate() {
        let name = std::str::from_utf8(field).map_err(|_| NOT_UTF8.to_owned())?;
        let name = match name.trim().trim_start_matches('\u{feff}') {
            "" => format!("Unnamed: {place}"),
            name => name.to_owned(),
        };
        let mut copies = taken.get(&name).copied().unwrap_or(0);
        let mut unique = name.clone();
        while taken.contains_key(&unique) {
            copies += 1;
            unique = format!("{name}.{copies}");
        }
        taken.insert(name, copies);
        taken.entry(unique.clone()).or_insert(0);
        names.push(unique);
    }
    Ok(names)
}
