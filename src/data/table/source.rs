//! The bytes of a table as UTF-8 text, whatever they are stored as; other formats are named and refused.

use super::utf16::Utf16;
use crate::data::read::open_file;
use crate::error::{Error, Result};
use crate::files;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

/// Bytes from which a format is inferred.
const SNIFFED: u64 = 1024;

/// A file that can be read more than once.
pub struct Source<'a> {
    path: &'a Path,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    /// With the length at the start. What another process appends meanwhile is left out, in every pass.
    OnDisk(u64),
    Borrowed(&'a [u8]),
    Owned(Vec<u8>),
}

/// The text of a source.
pub type Text<'a> = Box<dyn Read + Send + 'a>;

impl<'a> Source<'a> {
    /// The file at `path`.
    pub fn at(path: &'a Path) -> Result<Self> {
        let opened = files::open(path, files::DATA)?;
        let bytes = match opened.length {
            Some(length) => Bytes::OnDisk(length),
            // A stream can be read only once.
            None => Bytes::Owned(opened.read(path)?),
        };
        Ok(Self { path, bytes })
    }

    /// `bytes`, the contents of the file at `path`.
    pub fn of(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes: Bytes::Borrowed(bytes) }
    }

    /// An error about the file.
    pub fn error(&self, reason: impl ToString) -> Error {
        Error::file(self.path, reason)
    }

    /// What reads the file, for messages on memory.
    pub fn reading(&self) -> String {
        format!("reading {}", self.path.display())
    }

    /// The text from its start, and the number of its bytes if they are stored as they are.
    ///
    /// # Errors
    /// If the file is in another format.
    pub fn text(&self) -> Result<(Text<'_>, Option<u64>)> {
        let unreadable = |e: io::Error| self.error(format!("cannot be read: {e}"));
        let (stored, length): (Text, _) = match &self.bytes {
            Bytes::OnDisk(length) => (Box::new(open_file(self.path)?.take(*length)), Some(*length)),
            Bytes::Borrowed(bytes) => (Box::new(*bytes), Some(bytes.len() as u64)),
            Bytes::Owned(bytes) => (Box::new(&bytes[..]), Some(bytes.len() as u64)),
        };
        let (start, stored) = sniff(stored).map_err(unreadable)?;
        let (start, text, length) = if start.starts_with(b"\x1f\x8b") {
            let unpacked = Box::new(MultiGzDecoder::new(BufReader::new(stored)));
            let (start, text) = sniff(unpacked).map_err(unreadable)?;
            (start, text, None)
        } else {
            (start, stored, length)
        };
        if let Some(reason) = foreign(&start) {
            return Err(self.error(reason));
        }
        let (mark, big) = match &start[..] {
            [0xef, 0xbb, 0xbf, ..] => (3, None),
            [0xff, 0xfe, ..] => (2, Some(false)),
            [0xfe, 0xff, ..] => (2, Some(true)),
            _ => (0, zeros(&start)),
        };
        let mut text = text;
        io::copy(&mut (&mut text).take(mark), &mut io::sink()).map_err(unreadable)?;
        Ok(match big {
            Some(big) => (Box::new(Utf16::new(BufReader::new(text), big)), None),
            None => (text, length),
        })
    }
}

/// The first bytes of `reader`, and a reader that still has them.
fn sniff<'a>(mut reader: Text<'a>) -> io::Result<(Vec<u8>, Text<'a>)> {
    let mut start = vec![];
    (&mut reader).take(SNIFFED).read_to_end(&mut start)?;
    Ok((start.clone(), Box::new(Cursor::new(start).chain(reader))))
}

/// Whether text without a byte order mark is UTF-16, and then whether it is big-endian: one byte of every unit of
/// English text is zero.
fn zeros(start: &[u8]) -> Option<bool> {
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd, units) = (zeros(0), zeros(1), start.len() / 2);
    match (units, even, odd) {
        (0, ..) => None,
        // The other byte is zero in a few characters of other scripts.
        _ if 2 * odd > units && 8 * even < units => Some(false),
        _ if 2 * even > units && 8 * odd < units => Some(true),
        _ => None,
    }
}

/// Why a file that begins with `start` is no table of text, and what to do.
fn foreign(start: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 13] = [
        (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; export the sheet as CSV"),
        (b"BZh", "is packed with bzip2; unpack it first"),
        (b"\xfd7zXZ", "is packed with xz; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "is packed with zstd; unpack it first"),
        (b"7z\xbc\xaf", "is packed with 7-Zip; unpack it first"),
        (b"PAR1", "is Parquet; open it as `parquet:FILE`"),
        (b"\x93NUMPY", "is a NumPy array; open it as `npy:FILE`"),
        (b"ARROW1", "is an Arrow file; write it as CSV"),
        (b"\x89HDF", "is HDF5; write the table as CSV"),
        (b"SQLite format 3", "is an SQLite database; write the table as CSV"),
        (b"%PDF", "is a PDF; export the table as CSV"),
        (b"\xff\xfe\0\0", "is UTF-32; save it as UTF-8"),
        (b"\0\0\xfe\xff", "is UTF-32; save it as UTF-8"),
    ];
    let has = |part: &[u8]| memchr::memmem::find(start, part).is_some();
    if start.starts_with(b"PK\x03\x04") {
        return Some(match () {
            () if has(b"[Content_Types]") || has(b"_rels/") || has(b"xl/") || has(b"spreadsheet") => {
                "is a spreadsheet; export the sheet as CSV"
            }
            () if has(b".npy") => "is NumPy's NPZ; open it as `npz:FILE`",
            () => "is a zip archive; unpack it first",
        });
    }
    if let Some((_, reason)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(reason);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let opens = |word: &&str| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
    if ["<!doctype", "<html", "<head", "<body", "<table", "<?xml", "<!--"].iter().any(opens) {
        return Some("is a web page (HTML or XML), not a table; download the file that the page links to");
    }
    let second = text.get(1..).and_then(|rest| rest.trim_ascii_start().first());
    match (text.first(), second) {
        (Some(b'{'), Some(b'"' | b'}')) => Some("is JSON; write it as CSV"),
        (Some(b'['), Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9')) => Some("is JSON; write it as CSV"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Every pass over a table sees the same bytes, whatever another process appends.
    #[test]
    fn a_growing_file_is_read_as_it_was_at_the_start() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"1,2\n").unwrap();
        let path = file.path().to_owned();
        let source = Source::at(&path).unwrap();
        for _ in 0..2 {
            let (mut text, length) = source.text().unwrap();
            let mut read = String::new();
            text.read_to_string(&mut read).unwrap();
            assert_eq!((read.as_str(), length), ("1,2\n", Some(4)));
            file.write_all(b"3,4\n").unwrap();
        }
    }
}
