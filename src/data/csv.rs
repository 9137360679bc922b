//! Reader of CSV: one sample per line, the features and then the class number, with an optional header line.

use super::read::{class, finite, open_file, row_count};
use super::set::{DataSet, Samples};
use crate::error::{Error, Result};
use csv::{ByteRecord, ReaderBuilder, Trim};
use std::io::Read;
use std::path::Path;

/// Reads the file at `path`.
pub fn read(path: &Path) -> Result<DataSet> {
    let mut bytes = vec![];
    open_file(path)?.read_to_end(&mut bytes).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    decode(path, &bytes)
}

/// Decodes `bytes`, the contents of the file at `path`.
///
/// Blank lines are ignored and white space around fields is trimmed. The first line is a header if its last field is
/// not an integer and any other field is not a number. All lines must have the same number of fields.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<DataSet> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut record = ByteRecord::new();
    let (mut reals, mut labels) = (vec![], vec![]);
    let mut width = None;
    while reader.read_byte_record(&mut record).map_err(|e| Error::file(path, e))? {
        if record.iter().all(<[u8]>::is_empty) && record.len() == 1 {
            continue;
        }
        let error = |reason: String| Error::file(path, format!("line {}: {reason}", line(bytes, &record)));
        let first = width.is_none();
        let expected = *width.get_or_insert(record.len());
        if record.len() != expected {
            return Err(error(format!("{} fields, but the first line has {expected}", record.len())));
        }
        if expected < 2 {
            return Err(error("one field only; a line holds features, then the label, with commas between".into()));
        }
        let no_number = |field: &&[u8]| number(field).is_none();
        if first && integer(&record[expected - 1]).is_none() && record.iter().take(expected - 1).any(|f| no_number(&f))
        {
            continue;
        }
        for (column, field) in record.iter().enumerate() {
            let in_column = |reason| error(format!("column {}: {reason}", column + 1));
            if column + 1 < expected {
                let value = number(field).ok_or_else(|| in_column(format!("‘{}’ is not a number", show(field))))?;
                reals.push(finite(value).map_err(in_column)?);
            } else {
                let label = integer(field).ok_or_else(|| {
                    in_column(format!("label ‘{}’ is not an integer; number the classes 0, 1, 2, …", show(field)))
                })?;
                labels.push(class(label).map_err(in_column)?);
            }
        }
    }
    if labels.is_empty() {
        return Err(Error::file(path, "holds no samples; a line holds features, then the label, with commas between"));
    }
    row_count(labels.len()).map_err(|reason| Error::file(path, reason))?;
    let features = reals.len() / labels.len();
    Ok(DataSet::assemble(features, Samples::F32(reals), labels, 0))
}

fn integer(field: &[u8]) -> Option<i128> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Formats a field for a message: at most 40 characters on one line, control characters escaped.
fn show(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let start: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() { start + "…" } else { start }
}

/// The line, from 1, in which `record` starts. The reader's own count is not used, because it starts a record at the
/// blank lines before it.
fn line(bytes: &[u8], record: &ByteRecord) -> usize {
    let position = record.position().map_or(0, |position| position.byte() as usize).min(bytes.len());
    let blank = bytes[position..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    1 + bytes[..position + blank].iter().filter(|&&byte| byte == b'\n').count()
}
