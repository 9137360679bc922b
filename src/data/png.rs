//! Reader of PNG images, which are converted to shades of grey: 8 or 16 bits, grey, colour or palette. Transparent
//! pixels are blended with white.

use super::image::Image;
use super::read::{DEFLATE_RATIO, MOST_PIXELS, open_file};
use super::set::BYTE_SCALE;
use crate::error::Error;
use crate::memory::{self, Array};
use ::png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};
use std::io::{BufRead, Seek, SeekFrom};
use std::iter::StepBy;
use std::ops::Range;
use std::path::Path;

impl Image {
    /// Reads a PNG file; only the first frame of an animation.
    ///
    /// # Errors
    /// If the file is missing, damaged, not a PNG file, or has more than 2²⁶ pixels.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::decode(path, open_file(path)?)
    }

    /// Width and height that the header of a PNG file claims.
    ///
    /// # Errors
    /// As [`Self::read`], except for damaged pixels.
    pub fn size(path: &Path) -> Result<(usize, usize), Error> {
        let reader = opened(path, open_file(path)?)?;
        Ok(size(&reader))
    }

    /// Decodes `file`, the contents of the PNG file at `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(path: &Path, file: impl BufRead + Seek) -> Result<Self, Error> {
        let refused = |reason: String| Error::file(path, reason);
        let mut reader = opened(path, file)?;
        let (width, height) = size(&reader);
        let reading = format!("reading {}", path.display());
        let all = Array::new("pixels", 4, &[("height", height), ("width", width)]);
        memory::check_machine(&reading, &[all], SMALLER)?;
        let mut pixels: Vec<f32> = vec![];
        pixels.try_reserve_exact(width * height).map_err(|_| memory::exhausted(&reading, SMALLER))?;
        pixels.resize(width * height, 0.0);
        let over_white = |grey: f32, alpha: f32| grey * alpha + (1.0 - alpha);
        let grey = |pixel: &[f32]| match *pixel {
            [grey] => grey,
            [grey, alpha] => over_white(grey, alpha),
            [.., alpha] if pixel.len() == 4 => over_white(luma(pixel), alpha),
            _ => luma(pixel),
        };
        // Bytes are scaled like those of a data set, so that an image saved from a data set has the same features.
        let eight = |bytes: &[u8]| bytes.iter().map(|&byte| f32::from(byte) * BYTE_SCALE).collect();
        let sixteen = |bytes: &[u8]| {
            let (pairs, _) = bytes.as_chunks::<2>();
            pairs.iter().map(|&pair| f32::from(u16::from_be_bytes(pair)) / f32::from(u16::MAX)).collect()
        };
        let (channels, is_deep) = format(&reader).map_err(refused)?;
        each_row(&mut reader, |places, row| {
            let values: Vec<f32> = if is_deep { sixteen(row) } else { eight(row) };
            for (place, pixel) in places.zip(values.chunks_exact(channels)) {
                pixels[place] = grey(pixel);
            }
        })
        .map_err(refused)?;
        Ok(Self { width, height, pixels })
    }
}

/// What to change about an image that does not fit into memory.
const SMALLER: &str = "use a smaller image";

/// Starts to decode `file`, the contents of the PNG file at `path`.
fn opened<R: BufRead + Seek>(path: &Path, mut file: R) -> Result<Reader<R>, Error> {
    let failed = |e: std::io::Error| Error::file(path, format!("cannot be read: {e}"));
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.rewind().map_err(failed)?;
    reader(file, length).map_err(|reason| Error::file(path, reason))
}

/// Width and height of the image, or of the first frame of an animation.
pub fn size<R: BufRead + Seek>(reader: &Reader<R>) -> (usize, usize) {
    let info = reader.info();
    let (width, height) = info.frame_control.map_or(info.size(), |frame| (frame.width, frame.height));
    (width as usize, height as usize)
}

/// Samples of a pixel as [`each_row`] gives them, and whether each has 16 bits instead of 8.
///
/// # Errors
/// If the decoder cannot unpack the colours.
pub fn format<R: BufRead + Seek>(reader: &Reader<R>) -> Result<(usize, bool), String> {
    let (colour, depth) = reader.output_color_type();
    if colour == ColorType::Indexed {
        return Err("has a palette that cannot be read".into());
    }
    match depth {
        BitDepth::Eight => Ok((colour.samples(), false)),
        BitDepth::Sixteen => Ok((colour.samples(), true)),
        depth => Err(format!("has an unexpected depth, {depth:?}")),
    }
}

/// Decodes row by row, because the decoded samples of an image take up to eight times its bytes. `put` gets the places
/// of the pixels of a row, row-major in the image, and the bytes of their samples.
///
/// # Errors
/// If the pixels are damaged.
pub fn each_row<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    mut put: impl FnMut(StepBy<Range<usize>>, &[u8]),
) -> Result<(), String> {
    // First column and row, and the distance of columns and of rows, of each pass of an interlaced image.
    const INTERLACED: [[usize; 4]; 7] =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let (width, height) = size(reader);
    let passes = if reader.info().interlaced { &INTERLACED[..] } else { &[[0, 0, 1, 1]] };
    for &[left, top, right, down] in passes.iter().filter(|pass| pass[0] < width) {
        for y in (top..height).step_by(down) {
            let row = reader.next_row().map_err(refuse)?.ok_or("is truncated")?;
            put((y * width + left..(y + 1) * width).step_by(right), row.data());
        }
    }
    // The decoder checks the end of the compressed pixels only when asked for one more row.
    reader.next_row().map_err(refuse).map(|_| ())
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
