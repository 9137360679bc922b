//! Cuts a stream into blocks of whole records, which can then be parsed side by side.

use super::fields::{Comments, Dialect, is_newline};
use std::io::Read;

/// Longest record in bytes. A longer one is almost certainly a quote that is never closed.
pub const MAX_RECORD: usize = 64 << 20;

/// A stream and what of it has been read ahead.
pub struct Blocks<R> {
    reader: R,
    dialect: Dialect,
    size: usize,
    ahead: Vec<u8>,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Blocks of about `size` bytes of `reader`, which begins with the start of a record.
    pub fn new(reader: R, dialect: Dialect, size: usize) -> Self {
        Self { reader, dialect, size: size.max(1), ahead: vec![], ended: false }
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// If reading fails or a record is too long.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut block = std::mem::take(&mut self.ahead);
        let mut scan = Scan::default();
        let mut size = self.size;
        while !self.ended {
            block.try_reserve_exact(size).map_err(|_| "does not fit into memory".to_owned())?;
            let read = (&mut self.reader).take(size as u64).read_to_end(&mut block);
            self.ended = read.map_err(|e| format!("cannot be read: {e}"))? < size;
            if self.ended {
                break;
            }
            scan.go_on(&block, self.dialect);
            if let Some(boundary) = scan.boundary {
                self.ahead.extend_from_slice(&block[boundary..]);
                block.truncate(boundary);
                return Ok(Some(block));
            }
            if block.len() > MAX_RECORD {
                return Err(format!("a record is longer than {} MiB; is a quote left open?", MAX_RECORD >> 20));
            }
            // Twice as much each time, so that a long record is read in few steps.
            size = block.len().min(MAX_RECORD + 1 - block.len());
        }
        Ok((!block.is_empty()).then_some(block))
    }
}

/// How far a block has been searched for the ends of records.
#[derive(Default)]
struct Scan {
    /// Where the record begins that is searched.
    start: usize,
    /// How far that record has been searched.
    at: usize,
    /// Whether `at` is inside quotes.
    quoted: bool,
    /// Whether the record begins with `#` and is no comment.
    is_row: bool,
    /// The end of the last whole record.
    boundary: Option<usize>,
}

impl Scan {
    /// Searches on in `block`, which has grown since the last time and is not the end of the stream.
    fn go_on(&mut self, block: &[u8], dialect: Dialect) {
        let no_quotes = self.start == 0 && !self.quoted && memchr::memchr(b'"', block).is_none();
        if no_quotes {
            // A final CR is looked at again, because it may be half of a CRLF.
            let whole = block.strip_suffix(b"\r").unwrap_or(block);
            self.boundary = memchr::memrchr2(b'\n', b'\r', whole).map(|place| place + 1);
            self.at = whole.len();
            return;
        }
        while self.step(block, dialect) {}
    }

    /// Goes to the next quote or end of a line. Returns whether there was one.
    fn step(&mut self, block: &[u8], dialect: Dialect) -> bool {
        let rest = &block[self.at..];
        if self.quoted {
            let Some(quote) = memchr::memchr(b'"', rest).map(|length| self.at + length) else {
                self.at = block.len();
                return false;
            };
            match block.get(quote + 1) {
                Some(b'"') => self.at = quote + 2,
                Some(_) => (self.at, self.quoted) = (quote + 1, false),
                // Only the next byte shows whether the quote is doubled.
                None => {
                    self.at = quote;
                    return false;
                }
            }
            return true;
        }
        if !self.is_row && dialect.comments != Comments::No && block.get(self.start) == Some(&b'#') {
            let Some(place) = memchr::memchr2(b'\n', b'\r', rest).map(|length| self.at + length) else {
                self.at = block.len();
                return false;
            };
            let is_crlf = block[place] == b'\r' && block.get(place + 1) == Some(&b'\n');
            if block[place] == b'\r' && place + 1 == block.len() {
                return false;
            }
            if dialect.is_comment(&block[self.start..place]) {
                self.end_record(place + 1 + usize::from(is_crlf));
                return true;
            }
            // Quotes before `at` have not been looked at.
            (self.is_row, self.at) = (true, self.start);
            return true;
        }
        let found = memchr::memchr3(b'"', b'\n', b'\r', rest);
        let Some(place) = found.map(|length| self.at + length) else {
            self.at = block.len();
            return false;
        };
        self.at = place + 1;
        match (block[place], block.get(place + 1)) {
            (b'"', _) => self.quoted = opens(&block[self.start..place], dialect),
            (b'\r', None) => {
                self.at = place;
                return false;
            }
            (b'\r', Some(b'\n')) => self.end_record(place + 2),
            _ => self.end_record(place + 1),
        }
        true
    }

    fn end_record(&mut self, end: usize) {
        (self.start, self.at, self.boundary, self.is_row) = (end, end, Some(end), false);
    }
}

/// Whether a quote after `before`, the record so far, opens a field in quotes. Inside a field it is text.
fn opens(before: &[u8], dialect: Dialect) -> bool {
    match before.iter().rposition(|&byte| !dialect.is_blank(byte)) {
        None => true,
        Some(last) if dialect.is_spaced() => last + 1 < before.len(),
        Some(last) => before[last] == dialect.delimiter || is_newline(before[last]),
    }
}
