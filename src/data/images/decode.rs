//! Reads a file that may be an image, whose content decides which format it has.

use super::picture::Picture;
use super::source::Source;
use crate::error::{Error, Result};
use crate::files;
use std::io::Read;
use std::path::Path;

/// Largest file in bytes that is read.
const MOST_BYTES: u64 = 64 << 20;

/// Endings of the names of images, in small letters. A file with another ending may be an image too.
const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "jpe"];
/// Endings of the names of images that are not read.
const FOREIGN: [&str; 12] = ["gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "avif", "heic", "jp2", "jxl"];

/// The content of a file.
pub enum Content {
    /// An image, and whether it had 16 bits.
    Image(Picture, bool),
    /// A file that by name and content is no image.
    Other,
}

/// Reads the file at `path`, while other threads may read files until there are `at_once`.
pub fn decode(path: &Path, at_once: usize) -> Result<Content> {
    let source = Source { path, at_once };
    let refuse = |reason: String| Error::file(path, reason);
    let mut bytes = vec![];
    let mut file = files::open(path, files::DATA)?.file;
    let mut read_on = |count: u64, bytes: &mut Vec<u8>| {
        let outcome = file.by_ref().take(count).read_to_end(bytes);
        outcome.map_err(|e| refuse(format!("cannot be read: {e}")))
    };
    // A file that is no image may be long.
    read_on(4, &mut bytes)?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_lowercase();
    let (is_png, is_jpeg) = (bytes.starts_with(b"\x89PNG"), bytes.starts_with(&[0xff, 0xd8, 0xff]));
    if !is_png && !is_jpeg {
        return match &*ending {
            name if ENDINGS.contains(&name) => Err(refuse(format!("is named .{name}, but is neither PNG nor JPEG"))),
            name if FOREIGN.contains(&name) => {
                Err(refuse(format!("has the format {name}, which is not read; convert it to PNG")))
            }
            _ => Ok(Content::Other),
        };
    }
    read_on(MOST_BYTES, &mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(refuse(format!("is an image of more than {} MiB", MOST_BYTES >> 20)));
    }
    let decoded = if is_png { png(source, &bytes) } else { jpeg(source, &bytes).map(|picture| (picture, false)) };
    decoded.map(|(picture, had_16_bits)| Content::Image(picture, had_16_bits))
}

#[cfg(feature = "png")]
fn png(source: Source, bytes: &[u8]) -> Result<(Picture, bool)> {
    super::png::decode(source, bytes)
}

#[cfg(not(feature = "png"))]
fn png(source: Source, _: &[u8]) -> Result<(Picture, bool)> {
    Err(source.refused("cannot be read: this build of homeostat lacks the Cargo feature `png`".into()))
}

#[cfg(feature = "jpeg")]
fn jpeg(source: Source, bytes: &[u8]) -> Result<Picture> {
    super::jpeg::decode(source, bytes)
}

#[cfg(not(feature = "jpeg"))]
fn jpeg(source: Source, _: &[u8]) -> Result<Picture> {
    Err(source.refused("cannot be read: this build of homeostat lacks the Cargo feature `jpeg`".into()))
}
