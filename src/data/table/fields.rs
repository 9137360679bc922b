//! Splits text into records and fields.
//!
//! The `csv` crate is not used, because it copies every field before the field can be parsed. Here a number is parsed
//! where it lies, and then the next byte is checked, so that most fields are neither searched for their end nor copied.

use super::value::Real;
use std::borrow::Cow;

/// How fields and lines are marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dialect {
    /// The byte between fields; a space stands for any run of spaces and tabs.
    pub delimiter: u8,
    /// Whether numbers have a decimal comma.
    pub decimal_comma: bool,
    /// Which lines that begin with `#` are comments.
    pub comments: Comments,
}

/// Which lines that begin with `#` are comments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comments {
    /// None.
    No,
    /// All.
    All,
    /// Those without this number of fields, because a row may begin with a colour such as `#ff0000`.
    Unless(usize),
}

impl Dialect {
    /// Whether fields are separated by runs of blanks.
    pub fn is_spaced(self) -> bool {
        self.delimiter == b' '
    }

    /// Whether `byte` is white space within a line and no delimiter of its own.
    pub fn is_blank(self, byte: u8) -> bool {
        byte == b' ' || (byte == b'\t' && self.delimiter != b'\t')
    }

    /// Whether `line`, with which a record would begin, is a comment.
    pub fn is_comment(self, line: &[u8]) -> bool {
        let Some((b'#', rest)) = line.split_first() else { return false };
        match self.comments {
            Comments::No => false,
            Comments::All => true,
            // Words of a sentence are no fields.
            Comments::Unless(_) if self.is_spaced() && rest.first().is_none_or(|&byte| self.is_blank(byte)) => true,
            Comments::Unless(width) => {
                let fields = Cursor::new(line, Self { comments: Comments::No, ..self }).record(width);
                !fields.is_ok_and(|fields| fields.len() == width)
            }
        }
    }
}

/// Whether `byte` ends a line.
pub fn is_newline(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// What follows a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Another field.
    Field,
    /// The end of the record.
    Record,
}

/// Why the end of a field is not found.
const UNCLOSED: &str = "a quote is opened and never closed";

/// A place in a text that begins with the start of a record.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// Ends of lines passed, including those inside quotes.
    pub line: u64,
    /// Comment lines passed.
    pub comments: u64,
}

impl<'a> Cursor<'a> {
    /// The start of `bytes`.
    pub fn new(bytes: &'a [u8], dialect: Dialect) -> Self {
        Self { bytes, at: 0, dialect, line: 0, comments: 0 }
    }

    /// The place in `bytes` after `at` bytes and `line` ends of lines.
    pub fn after(bytes: &'a [u8], (at, line): (usize, u64), dialect: Dialect) -> Self {
        Self { at, line, ..Self::new(bytes, dialect) }
    }

    /// Takes other lines for comments from here on.
    pub fn set_comments(&mut self, comments: Comments) {
        self.dialect.comments = comments;
    }

    /// The bytes since `start`.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start.min(self.at)..self.at]
    }

    /// Number of bytes passed.
    pub fn position(&self) -> usize {
        self.at
    }

    fn skip_blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(|&byte| self.dialect.is_blank(byte)) {
            self.at += 1;
        }
    }

    /// Passes the end of a line, if there is one here.
    fn newline(&mut self) -> bool {
        match self.bytes.get(self.at) {
            Some(b'\n') => self.at += 1,
            Some(b'\r') => self.at += if self.bytes.get(self.at + 1) == Some(&b'\n') { 2 } else { 1 },
            _ => return false,
        }
        self.line += 1;
        true
    }

    /// Passes the rest of the line, without its end, and returns it.
    pub fn rest_of_line(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Passes blank lines. Returns whether anything follows.
    pub fn skip_blank_lines(&mut self) -> bool {
        loop {
            self.skip_blanks();
            if !self.newline() {
                return self.at < self.bytes.len();
            }
        }
    }

    /// Passes blank lines and comments. Returns whether a record follows.
    pub fn start_record(&mut self) -> bool {
        loop {
            // Only a line that begins with the sign is a comment, so a line with blanks before the sign is a record.
            if self.bytes.get(self.at) == Some(&b'#') && self.dialect.is_comment(self.clone().rest_of_line()) {
                self.rest_of_line();
                self.newline();
                self.comments += 1;
                continue;
            }
            self.skip_blanks();
            if !self.newline() {
                return self.at < self.bytes.len();
            }
        }
    }

    /// Passes a number that fills the field, and returns it. Stays where it is if that needs a closer look, because the
    /// field is quoted, padded, missing, infinite, or no number.
    #[inline]
    pub fn number<T: Real>(&mut self) -> Option<T> {
        if self.dialect.decimal_comma {
            return None;
        }
        let mut start = self.at;
        while self.bytes.get(start).is_some_and(|&byte| self.dialect.is_blank(byte)) {
            start += 1;
        }
        let (number, length) = fast_float2::parse_partial::<T, _>(self.bytes.get(start..)?).ok()?;
        let ends = match self.bytes.get(start + length) {
            None => true,
            Some(&byte) => {
                byte == self.dialect.delimiter || is_newline(byte) || (byte == b'\t' && self.dialect.is_spaced())
            }
        };
        if !(ends && T::is_finite(number)) {
            return None;
        }
        self.at = start + length;
        Some(number)
    }

    /// Passes a field and returns its text, without quotes or the blanks around it.
    ///
    /// # Errors
    /// If it opens a quote that is not closed.
    pub fn field(&mut self) -> Result<Cow<'a, [u8]>, &'static str> {
        self.skip_blanks();
        if self.bytes.get(self.at) == Some(&b'"') {
            return self.quoted();
        }
        Ok(Cow::Borrowed(self.plain().trim_ascii_end()))
    }

    fn plain(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let end = if self.dialect.is_spaced() {
            rest.iter().position(|&byte| self.dialect.is_blank(byte) || is_newline(byte))
        } else {
            memchr::memchr3(self.dialect.delimiter, b'\n', b'\r', rest)
        };
        let length = end.unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, &'static str> {
        self.at += 1;
        let mut text = Cow::Borrowed(&self.bytes[self.at..self.at]);
        loop {
            let rest = &self.bytes[self.at..];
            let length = memchr::memchr(b'"', rest).ok_or(UNCLOSED)?;
            append(&mut text, &rest[..length]);
            self.at += length + 1;
            if self.bytes.get(self.at) != Some(&b'"') {
                break;
            }
            append(&mut text, b"\"");
            self.at += 1;
        }
        self.line += lines(&text);
        // Like pandas: what follows the closing quote belongs to the field.
        append(&mut text, self.plain().trim_ascii_end());
        Ok(text)
    }

    /// Passes the delimiter or the end of the line after a field.
    #[inline]
    pub fn end_field(&mut self) -> End {
        if self.bytes.get(self.at) == Some(&self.dialect.delimiter) && !self.dialect.is_spaced() {
            self.at += 1;
            return End::Field;
        }
        self.skip_blanks();
        if self.newline() || self.at >= self.bytes.len() { End::Record } else { End::Field }
    }

    /// All fields of a record.
    ///
    /// # Errors
    /// If a quote is not closed, or if there are more than `most` fields.
    pub fn record(&mut self, most: usize) -> Result<Vec<Cow<'a, [u8]>>, String> {
        let mut fields = vec![];
        while fields.len() < most {
            fields.push(self.field()?);
            if self.end_field() == End::Record {
                return Ok(fields);
            }
        }
        Err(format!("more than {most} columns"))
    }
}

fn append<'a>(text: &mut Cow<'a, [u8]>, more: &'a [u8]) {
    if text.is_empty() {
        *text = Cow::Borrowed(more);
    } else if !more.is_empty() {
        text.to_mut().extend_from_slice(more);
    }
}

/// Number of ends of lines in `text`.
fn lines(text: &[u8]) -> u64 {
    let mut ends = 0;
    let mut last = 0;
    for place in memchr::memchr2_iter(b'\n', b'\r', text) {
        // The second byte of CRLF ends no other line.
        let second = text[place] == b'\n' && place > 0 && last + 1 == place && text[last] == b'\r';
        ends += u64::from(!second);
        last = place;
    }
    ends
}
