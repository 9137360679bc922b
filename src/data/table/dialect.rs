//! Tells from the start of a file how its fields and numbers are marked.

use super::blocks::MAX_RECORD;
use super::fields::{Cursor, Dialect};
use super::source::Source;
use super::value::{Value, value};
use crate::error::Result;
use std::borrow::Cow;
use std::io::Read;

/// Bytes from which the layout of a file is told. It does not depend on the size of blocks, so that this size changes no
/// result.
const HEAD: usize = 1 << 20;

/// Records from which the delimiter is told.
const FEW: usize = 100;

/// Largest number of columns.
pub const MAX_COLUMNS: usize = 1_000_000;

/// Largest number of fields held at once in a [`Sample`].
const MAX_FIELDS: usize = 2 * MAX_COLUMNS;

/// The start of a file.
pub struct Head {
    /// Its text.
    pub bytes: Vec<u8>,
    /// Whether that is the whole file.
    pub whole: bool,
}

impl Head {
    /// Reads the start of `source`: at least two lines, if they are not too long.
    pub fn read(source: &Source) -> Result<Self> {
        let (mut text, _) = source.text()?;
        let (mut bytes, mut size) = (vec![], HEAD);
        loop {
            let read = match (&mut text).take(size as u64).read_to_end(&mut bytes) {
                Ok(read) => read,
                Err(e) => return Err(source.error(format!("cannot be read: {e}"))),
            };
            let whole = read < size;
            let ends = memchr::memchr2_iter(b'\n', b'\r', &bytes).take(4).count();
            if whole || ends == 4 || bytes.len() > 2 * MAX_RECORD {
                return Ok(Self { bytes, whole });
            }
            size = bytes.len();
        }
    }
}

/// A record in the head of a file.
pub struct Row<'a> {
    /// Ends of lines before it.
    pub line: u64,
    /// Bytes before it.
    pub at: usize,
    /// Its fields.
    pub fields: Vec<Cow<'a, [u8]>>,
}

/// The first records of a file.
#[derive(Default)]
pub struct Sample<'a> {
    /// The records.
    pub rows: Vec<Row<'a>>,
    /// The comment line directly before the first record, without its `#`.
    pub comment: Option<&'a [u8]>,
    /// Why there are no more records, if the file is to blame: a line, from 1, and the reason.
    pub fault: Option<(u64, String)>,
}

/// Splits up to `limit` records of `head`.
pub fn sample<'a>(head: &'a Head, dialect: Dialect, limit: usize) -> Sample<'a> {
    let mut cursor = Cursor::new(&head.bytes, dialect);
    let mut sample = Sample::default();
    let mut fields = 0;
    // The comments before the first record are looked at one by one, because the last may be the header.
    while cursor.skip_blank_lines() && dialect.comments {
        let Some(comment) = cursor.clone().rest_of_line().strip_prefix(b"#") else { break };
        sample.comment = Some(comment);
        cursor.rest_of_line();
    }
    while sample.rows.len() < limit && fields < MAX_FIELDS && cursor.start_record() {
        let (line, at) = (cursor.line, cursor.position());
        match cursor.record(MAX_COLUMNS) {
            Ok(record) => {
                fields += record.len();
                sample.rows.push(Row { line, at, fields: record });
            }
            Err(reason) => {
                sample.fault = Some((line + 1, reason));
                break;
            }
        }
        if cursor.position() == head.bytes.len() && !head.whole {
            // The rest of this record is not in the head.
            sample.rows.pop();
            sample.fault = None;
        }
    }
    if !head.whole && sample.fault.as_ref().is_some_and(|(_, reason)| !reason.contains("columns")) {
        sample.fault = None;
    }
    sample
}

/// Tells the dialect of `head`; `delimiter` is the user's word.
pub fn tell(head: &Head, delimiter: Option<u8>) -> Dialect {
    let plain = |delimiter| Dialect { delimiter, decimal_comma: false, comments: true };
    let delimiter = delimiter.unwrap_or_else(|| {
        let candidates = [b',', b';', b'\t', b' '].map(|byte| (byte, Score::of(&sample(head, plain(byte), FEW))));
        let most = candidates.iter().map(|(_, score)| score.alike).fold(0.0, f64::max);
        let enough = if most >= 0.8 { 0.8 } else { most };
        let mut best = (b',', -1.0);
        for (byte, score) in candidates {
            // The earlier candidate stays where two do equally well.
            if score.width >= 2 && score.alike >= enough && score.numbers > best.1 {
                best = (byte, score.numbers);
            }
        }
        best.0
    });
    let dialect = plain(delimiter);
    if delimiter == b',' {
        return dialect;
    }
    let (mut commas, mut points) = (false, false);
    for field in sample(head, dialect, FEW).rows.iter().flat_map(|row| &row.fields) {
        commas |= field.contains(&b',') && is_number(field, true);
        points |= field.contains(&b'.') && is_number(field, false);
    }
    Dialect { decimal_comma: commas && !points, ..dialect }
}

fn is_number(field: &[u8], decimal_comma: bool) -> bool {
    matches!(value::<f64>(field, decimal_comma), Value::Number(_))
}

/// How well a delimiter fits.
struct Score {
    /// The most frequent number of fields.
    width: usize,
    /// The share of records with that number, if it is at least two.
    alike: f64,
    /// The share of numbers among the fields.
    numbers: f64,
}

impl Score {
    fn of(sample: &Sample) -> Self {
        let rows = &sample.rows;
        let count = |width: usize| rows.iter().filter(|row| row.fields.len() == width).count();
        let width = rows.iter().map(|row| row.fields.len()).max_by_key(|&width| (count(width), width)).unwrap_or(0);
        // The first record may be a header.
        let fields = rows.iter().skip(usize::from(rows.len() > 1)).flat_map(|row| &row.fields);
        let (mut numbers, mut all) = (0, 0);
        for field in fields {
            all += 1;
            numbers += usize::from(is_number(field, false) || is_number(field, true));
        }
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        let alike = if width >= 2 { share(count(width), rows.len()) } else { 0.0 };
        Self { width, alike, numbers: share(numbers, all) }
    }
}
