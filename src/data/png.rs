//! Reader of PNG images, which are converted to shades of grey: 8 or 16 bits, grey, colour or palette. Transparent
//! pixels are blended with white.

use super::image::Image;
use super::read::{DEFLATE_RATIO, MOST_PIXELS, open_file};
use super::set::BYTE_SCALE;
use crate::error::Error;
use ::png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};
use std::io::{BufRead, Seek, SeekFrom};
use std::path::Path;

impl Image {
    /// Reads a PNG file; only the first frame of an animation.
    ///
    /// # Errors
    /// If the file is missing, damaged, not a PNG file, or has more than 2²⁶ pixels.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::decode(path, open_file(path)?)
    }

    /// Decodes `file`, the contents of the PNG file at `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(path: &Path, mut file: impl BufRead + Seek) -> Result<Self, Error> {
        let refused = |reason: String| Error::file(path, reason);
        let failed = |e: std::io::Error| Error::file(path, format!("cannot be read: {e}"));
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let mut reader = reader(file, length).map_err(refused)?;
        let size = reader.output_buffer_size().ok_or_else(|| Error::file(path, "claims an impossible size"))?;
        let mut bytes = vec![];
        bytes.try_reserve_exact(size).map_err(|_| Error::file(path, "does not fit into memory"))?;
        bytes.resize(size, 0);
        let frame = reader.next_frame(&mut bytes).map_err(|e| refused(refuse(e)))?;
        bytes.truncate(frame.buffer_size());
        let values: Vec<f32> = match frame.bit_depth {
            // Bytes are scaled like those of a data set, so that an image saved from a data set has the same features.
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

/// Starts to decode a PNG file of `length` bytes, and refuses what its header must not claim.
pub fn reader<R: BufRead + Seek>(file: R, length: u64) -> Result<Reader<R>, String> {
    let mut decoder = Decoder::new(file);
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(refuse)?;
    let info = reader.info();
    let (width, height) = info.size();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("{width} × {height} pixels are more than {MOST_PIXELS}"));
    }
    // The decoder accepts any palette, but panics unless it has 1 to 256 complete colours (png 0.18.1).
    let colours = |palette: &[u8]| palette.len().is_multiple_of(3) && (3..=768).contains(&palette.len());
    if !info.palette.as_deref().is_none_or(colours) {
        return Err("has a damaged palette: 1 to 256 colours of 3 bytes each belong there".into());
    }
    // A damaged header may claim more pixels than the compressed bytes can unpack to, which would allocate in vain.
    if info.raw_bytes() as u64 > DEFLATE_RATIO.saturating_mul(length) {
        return Err(format!("claims {width} × {height} pixels, for which it is too short"));
    }
    Ok(reader)
}

/// What the decoder refuses.
pub fn refuse(e: DecodingError) -> String {
    format!("cannot be read as PNG: {e}")
}

/// Brightness of red, green and blue by ITU-R BT.601, as image libraries convert colours to grey.
fn luma(pixel: &[f32]) -> f32 {
    // Grey is returned unchanged, because the weighted sum would change its last bit.
    match *pixel {
        [r, g, b, ..] if r == g && g == b => r,
        [r, g, b, ..] => 0.299 * r + 0.587 * g + 0.114 * b,
        _ => 0.0,
    }
}
