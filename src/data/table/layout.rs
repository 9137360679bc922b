//! Finds the header, the rows and the column names of a file from its start.

use super::dialect::{Head, Row, Sample, decimal_comma, is_svmlight, sample, tell};
use super::fields::{Comments, Dialect};
use super::header::{commented_header, first_is_header, lacks_one, names};
use crate::data::raw::ReadOptions;
use crate::text::line;
use std::borrow::Cow;
use std::collections::HashMap;

/// Records from which header and kinds of columns are inferred.
const MANY: usize = 1000;

/// Where the header and the rows of a file are.
pub struct Layout<'a> {
    /// How fields are marked.
    pub dialect: Dialect,
    /// The names of the columns; without a header their positions, from 1.
    pub names: Vec<String>,
    /// Whether the names are those of a header.
    pub has_header: bool,
    /// The columns of every name that a header has more than once.
    pub repeated: HashMap<String, Vec<usize>>,
    /// Whether the first column holds the names of the rows, because the header does not name it.
    pub row_names: bool,
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

impl Layout<'_> {
    /// The layout without the first rows, which keep the start of the file in memory.
    pub fn without_rows(self) -> Layout<'static> {
        let Self { dialect, names, has_header, repeated, row_names, trailing, start, line, rows: _, note } = self;
        Layout { dialect, names, has_header, repeated, row_names, trailing, start, line, rows: vec![], note }
    }
}

/// The layout of the file that begins with `head`.
///
/// # Errors
/// If there is no row; the reason comes with its line, from 1, if there is one.
pub fn layout<'a>(head: &'a Head, options: &ReadOptions) -> Result<Layout<'a>, (Option<u64>, String)> {
    if head.bytes.contains(&0) {
        return Err((None, "holds zero bytes, so it is no table of text".into()));
    }
    if is_svmlight(head) {
        let reason = "is in LIBSVM format (`1 1:0.5 2:0.7`); write it as CSV, for example with scikit-learn's \
                      `load_svmlight_file` and `numpy.savetxt`";
        return Err((None, reason.into()));
    }
    let mut dialect = tell(head, options.delimiter);
    let Sample { mut rows, comment, fault } = sample(head, dialect, MANY);
    let Some(first) = rows.first() else {
        return Err(match fault {
            Some((line, reason)) => (Some(line), reason),
            None if comment.is_some() => {
                let reason = "holds comments only, because every line begins with `#`; a row may begin with `#` once \
                              there is a header before it";
                (None, reason.into())
            }
            None => (None, "holds no samples; a line holds the fields of one sample".into()),
        });
    };
    let may_be_one_column = options.expected.as_ref().is_some_and(|expected| expected.features.len() < 2);
    if let Some(delimiter) = options.delimiter
        && !may_be_one_column
        && rows.iter().all(|row| row.fields.len() == 1)
    {
        let name = name(delimiter);
        let reason =
            format!("`delimiter = {name}`: no {name} in line {}; leave it out to have it found", rows[0].line + 1);
        return Err((None, reason));
    }
    dialect.decimal_comma = decimal_comma(&rows, dialect.delimiter)?;
    let commented = comment.and_then(|comment| commented_header(comment, dialect, first));
    let is_header = match options.header {
        Some(header) => header && (commented.is_none() || first_is_header(&rows, dialect, options)),
        None => first_is_header(&rows, dialect, options),
    };
    let commented = commented.filter(|_| !is_header && options.header != Some(false));
    let header_line = first.line;
    let may_have_row_names = is_header && lacks_one(&rows);
    let mut header = None;
    if is_header {
        header = Some(rows.remove(0).fields);
    } else if let Some(names) = commented {
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
    dialect.comments = Comments::Unless(width);
    let row_names = may_have_row_names && !trailing;
    let (names, repeated) = match header {
        None => ((1..=width - usize::from(trailing)).map(|position| position.to_string()).collect(), HashMap::new()),
        Some(mut fields) => {
            if trailing {
                fields.truncate(width - 1);
            }
            if row_names {
                fields.insert(0, Cow::Borrowed(b""));
            }
            names(&fields).map_err(|reason| (Some(header_line + 1), reason))?
        }
    };
    let note = describe(dialect, has_header.then_some((is_header, header_line)), trailing);
    Ok(Layout { dialect, names, has_header, repeated, row_names, trailing, start, line, rows, note })
}

/// The sentence on how the file is laid out. `header` is whether it is a row, and the ends of lines before the row.
fn describe(dialect: Dialect, header: Option<(bool, u64)>, trailing: bool) -> String {
    let delimiter = match dialect.delimiter {
        byte @ (b',' | b';' | b'\t' | b'|' | b' ') => format!("{}s", name(byte)),
        other => name(other),
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

/// What a delimiter is called, in settings as well.
fn name(delimiter: u8) -> String {
    match delimiter {
        b',' => "comma".to_owned(),
        b';' => "semicolon".into(),
        b'\t' => "tab".into(),
        b'|' => "pipe".into(),
        b' ' => "space".into(),
        other => format!("‘{}’", line(char::from(other))),
    }
}
