//! PNG images as shades of grey: 8 or 16 bits, grey, colour or palette; what is transparent lies on white.

use super::BYTE_SCALE;
use super::read::open_file;
use crate::error::{Error, Result};
use png::{BitDepth, ColorType, Decoder, Transformations};
use std::io::{BufRead, Seek, SeekFrom};
use std::path::Path;

/// Most pixels read; a photograph has fewer, and a damaged header may claim anything.
const MOST_PIXELS: u64 = 1 << 26;

/// Bytes that a byte of deflate can stand for at most, rounded up.
const DEFLATE_RATIO: u64 = 1100;

/// Shades of grey, 0 = black … 1 = white.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width]`.
    pub pixels: Vec<f32>,
}

impl Image {
    /// Reads a PNG file; of an animated one the first frame.
    ///
    /// # Errors
    /// If it is missing, damaged, no PNG or larger than 2²⁶ pixels.
    pub fn read(path: &Path) -> Result<Self> {
        Self::decode(path, open_file(path)?)
    }

    /// Decodes what the PNG file at `path` holds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(path: &Path, mut file: impl BufRead + Seek) -> Result<Self> {
        let refuse = |e: png::DecodingError| Error::file(path, format!("cannot be read as PNG: {e}"));
        let failed = |e: std::io::Error| Error::file(path, format!("cannot be read: {e}"));
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let mut decoder = Decoder::new(file);
        decoder.set_transformations(Transformations::EXPAND);
        let mut reader = decoder.read_info().map_err(refuse)?;
        let (width, height) = reader.info().size();
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(Error::file(path, format!("{width} × {height} pixels are more than {MOST_PIXELS}")));
        }
        // The decoder takes any palette, and panics over those that are not 1 to 256 whole colours (png 0.18.1).
        let colours = |palette: &[u8]| palette.len().is_multiple_of(3) && (3..=768).contains(&palette.len());
        if !reader.info().palette.as_deref().is_none_or(colours) {
            return Err(Error::file(path, "has a damaged palette: 1 to 256 colours of 3 bytes each belong there"));
        }
        // A header may claim anything: no row of pixels is there that its compressed bytes cannot unpack to.
        let rows = reader.info().raw_bytes() as u64;
        if rows > DEFLATE_RATIO.saturating_mul(length) {
            return Err(Error::file(path, format!("claims {width} × {height} pixels, for which it is too short")));
        }
        let size = reader.output_buffer_size().ok_or_else(|| Error::file(path, "claims an impossible size"))?;
        let mut bytes = vec![0; size];
        let frame = reader.next_frame(&mut bytes).map_err(refuse)?;
        bytes.truncate(frame.buffer_size());
        let values: Vec<f32> = match frame.bit_depth {
            // As bytes of a data set are scaled, so that an image saved from one gives the same features.
            BitDepth::Eight => bytes.iter().map(|&byte| f32::from(byte) * BYTE_SCALE).collect(),
            BitDepth::Sixteen => {
                let (pairs, _) = bytes.as_chunks::<2>();
                pairs.iter().map(|&pair| f32::from(u16::from_be_bytes(pair)) / f32::from(u16::MAX)).collect()
            }
            depth => return Err(Error::file(path, format!("has an unexpected depth, {depth:?}"))),
        };
        let over_white = |grey: f32, alpha: f32| grey * alpha + (1.0 - alpha);
        let pixels = match frame.color_type {
            ColorType::Grayscale => values,
            ColorType::GrayscaleAlpha => values.chunks_exact(2).map(|p| over_white(p[0], p[1])).collect(),
            ColorType::Rgb => values.chunks_exact(3).map(luma).collect(),
            ColorType::Rgba => values.chunks_exact(4).map(|p| over_white(luma(p), p[3])).collect(),
            ColorType::Indexed => return Err(Error::file(path, "has a palette that cannot be read")),
        };
        Ok(Self { width: frame.width as usize, height: frame.height as usize, pixels })
    }
}

/// Brightness of red, green and blue by ITU-R BT.601, as image libraries convert to grey.
fn luma(pixel: &[f32]) -> f32 {
    // Grey stays exactly as it is; the weights would change its last bit.
    match *pixel {
        [r, g, b, ..] if r == g && g == b => r,
        [r, g, b, ..] => 0.299 * r + 0.587 * g + 0.114 * b,
        _ => 0.0,
    }
}
