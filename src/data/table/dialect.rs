//! Infers the dialect of a table from its start: the delimiter, the decimal mark and the comments.

use super::blocks::MAX_RECORD;
use super::fields::{Comments, Cursor, Dialect};
use super::numeric::is_grouped;
use super::source::Source;
use super::value::{Value, count, show, value};
use crate::error::Result;
use std::borrow::Cow;
use std::io::Read;

/// Bytes from which the layout of a file is inferred. It does not depend on the size of blocks, so that this size changes no
/// result.
const HEAD: usize = 1 << 20;

/// Records from which the delimiter is inferred.
const FEW: usize = 100;

/// Delimiters that are found without being named.
const DELIMITERS: [u8; 5] = [b',', b';', b'\t', b'|', b' '];

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
    /// Bytes and ends of lines before the table.
    pub start: (usize, u64),
    /// The delimiter that a line `sep=;` before the table states, as Excel writes it.
    pub delimiter: Option<u8>,
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
                return Ok(Self::of(bytes, whole));
            }
            size = bytes.len();
        }
    }

    /// The start of a file with `bytes`.
    pub fn of(bytes: Vec<u8>, whole: bool) -> Self {
        let end = memchr::memchr2(b'\n', b'\r', &bytes).unwrap_or(bytes.len());
        let line = bytes[..end].strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(&bytes[..end]);
        let delimiter = match line.strip_prefix(b"sep=").or(line.strip_prefix(b"Sep=")) {
            Some(&[byte]) if DELIMITERS.contains(&byte) => Some(byte),
            _ => None,
        };
        let after = if bytes[end..].starts_with(b"\r\n") { end + 2 } else { (end + 1).min(bytes.len()) };
        let start = if delimiter.is_some() { (after, 1) } else { (0, 0) };
        Self { bytes, whole, start, delimiter }
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
    let mut cursor = Cursor::after(&head.bytes, head.start, dialect);
    let mut sample = Sample::default();
    let mut fields = 0;
    // The comments before the first record are looked at one by one, because the last may be the header.
    while cursor.skip_blank_lines() && dialect.comments != Comments::No {
        let Some(comment) = cursor.clone().rest_of_line().strip_prefix(b"#") else { break };
        sample.comment = Some(comment);
        cursor.rest_of_line();
    }
    while sample.rows.len() < limit && fields < MAX_FIELDS && cursor.start_record() {
        let (line, at) = (cursor.line, cursor.position());
        match cursor.record(MAX_COLUMNS) {
            Ok(record) => {
                fields += record.len();
                if dialect.comments == Comments::All && sample.rows.is_empty() {
                    cursor.set_comments(Comments::Unless(record.len()));
                }
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

/// The dialect of `head`. A `delimiter` that the user names overrides the inferred one.
pub fn tell(head: &Head, delimiter: Option<u8>) -> Dialect {
    let plain = |delimiter| Dialect { delimiter, decimal_comma: false, comments: Comments::All };
    let told = || {
        let candidates = DELIMITERS.map(|byte| (byte, Score::of(&sample(head, plain(byte), FEW))));
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
    };
    plain(delimiter.or(head.delimiter).unwrap_or_else(told))
}

/// Whether the numbers in `rows` have a decimal comma.
///
/// # Errors
/// If a point may stand between units and tenths as well as between thousands: the line, from 1, and the reason.
pub fn decimal_comma(rows: &[Row], delimiter: u8) -> Result<bool, (Option<u64>, String)> {
    // The first row may be a header, and numbers in a header are names.
    let below = Marks::of(rows.get(1..).unwrap_or_default());
    let marks = if below.is_empty() { Marks::of(rows.get(..1).unwrap_or_default()) } else { below };
    let fits = if delimiter == b',' {
        // A comma within a field of such a table stands in quotes; `"1,037"` has a thousands separator and `"1,2,3"` is
        // a list.
        marks.commas > 0 && !marks.lists
    } else {
        marks.commas + marks.grouped_commas > 0
    };
    if !fits || marks.points > 0 {
        return Ok(false);
    }
    match marks.grouped_point {
        None => Ok(true),
        Some((line, text)) => Err((
            Some(line + 1),
            format!(
                "‘{}’ may have a thousands separator, because other numbers have a decimal comma; remove the thousands \
                 separators",
                show(text)
            ),
        )),
    }
}

/// How often numbers in some rows have which marks.
#[derive(Default)]
struct Marks<'a> {
    /// A comma that does not stand before three digits.
    commas: usize,
    /// A comma that may separate thousands.
    grouped_commas: usize,
    /// A point that does not stand before three digits.
    points: usize,
    /// Line and text of the first number with a point that may separate thousands.
    grouped_point: Option<(u64, &'a [u8])>,
    /// Whether there are lists of numbers.
    lists: bool,
}

impl<'a> Marks<'a> {
    fn of(rows: &'a [Row]) -> Self {
        let mut marks = Self::default();
        for row in rows {
            for field in row.fields.iter().map(|field| field.trim_ascii()) {
                if field.contains(&b',') {
                    let is_plain = field.iter().all(|byte| byte.is_ascii_digit() || *byte == b',' || *byte == b' ');
                    match () {
                        () if is_number(field, true) && is_grouped(field, b',') => marks.grouped_commas += 1,
                        () if is_number(field, true) => marks.commas += 1,
                        () => marks.lists |= is_plain && !is_grouped(field, b','),
                    }
                } else if field.contains(&b'.') && is_number(field, false) {
                    if is_grouped(field, b'.') {
                        marks.grouped_point.get_or_insert((row.line, field));
                    } else {
                        marks.points += 1;
                    }
                }
            }
        }
        marks
    }

    fn is_empty(&self) -> bool {
        self.commas + self.grouped_commas + self.points == 0 && self.grouped_point.is_none()
    }
}

/// Whether the first rows are in the format of LIBSVM: a label, then pairs of index and value.
pub fn is_svmlight(head: &Head) -> bool {
    let dialect = Dialect { delimiter: b' ', decimal_comma: false, comments: Comments::All };
    let index = |field: &[u8]| {
        let colon = memchr::memchr(b':', field)?;
        let number = count(&field[..colon]).or((&field[..colon] == b"qid").then_some(0))?;
        is_number(&field[colon + 1..], false).then_some(number)
    };
    let mut pairs = 0;
    let rows = sample(head, dialect, FEW).rows;
    let fits = rows.iter().all(|row| {
        let (label, rest) = (&row.fields[0], &row.fields[1..]);
        // What follows `#` is a comment.
        let indices: Option<Vec<u64>> =
            rest.iter().take_while(|field| !field.starts_with(b"#")).map(|field| index(field)).collect();
        let ascends = indices.is_some_and(|indices| {
            pairs = pairs.max(indices.len());
            indices.windows(2).all(|pair| pair[0] < pair[1])
        });
        ascends && label.split(|&byte| byte == b',').all(|label| is_number(label, false))
    });
    // A single pair may be a time of day.
    fits && pairs >= 2
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
