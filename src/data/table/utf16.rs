//! Turns a stream of UTF-16 into UTF-8.

use std::io::{self, Read};

/// Bytes that are turned at a time.
const CHUNK: usize = 1 << 16;

/// A stream of UTF-16 without its byte order mark, read as UTF-8.
pub struct Utf16<R> {
    inner: R,
    /// Whether the first byte of a unit is the upper one.
    big: bool,
    /// Bytes that were read and not turned, because they are part of a character.
    pending: Vec<u8>,
    text: String,
    at: usize,
}

impl<R: Read> Utf16<R> {
    /// Reads `inner`, in big-endian order if `big`.
    pub fn new(inner: R, big: bool) -> Self {
        Self { inner, big, pending: vec![], text: String::new(), at: 0 }
    }

    fn refill(&mut self) -> io::Result<()> {
        (self.at, self.text) = (0, String::new());
        let read = (&mut self.inner).take(CHUNK as u64).read_to_end(&mut self.pending)?;
        let pairs = self.pending.chunks_exact(2);
        let unit = if self.big { u16::from_be_bytes } else { u16::from_le_bytes };
        let mut units: Vec<u16> = pairs.filter_map(|pair| Some(unit(pair.try_into().ok()?))).collect();
        let is_last = read < CHUNK;
        // The other half of a character outside the basic plane may be still to come.
        if !is_last && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        if is_last && self.pending.len() % 2 == 1 {
            return Err(invalid());
        }
        self.text = String::from_utf16(&units).map_err(|_| invalid())?;
        self.pending.drain(..2 * units.len());
        Ok(())
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged UTF-16; save it as UTF-8")
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() {
            self.refill()?;
        }
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}
