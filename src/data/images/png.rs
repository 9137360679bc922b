//! Decoder of PNG images to bytes: 16 bits are rounded to 8, and transparent pixels are blended with white.

use super::exif::orientation;
use super::picture::Picture;
use crate::data::png::{reader, refuse};
use ::png::{BitDepth, ColorType};
use std::io::Cursor;

/// Decodes the contents of a PNG file; only the first frame of an animation. The flag says whether it had 16 bits.
pub fn decode(content: &[u8]) -> Result<(Picture, bool), String> {
    let mut reader = reader(Cursor::new(content), content.len() as u64)?;
    let info = reader.info();
    let orientation = info.exif_metadata.as_deref().map_or(1, orientation);
    // Programs that reduce colours store images of greys with a palette too.
    let is_grey = |palette: &[u8]| palette.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b);
    let has_grey_palette = info.color_type == ColorType::Indexed && info.palette.as_deref().is_some_and(is_grey);
    let size = reader.output_buffer_size().ok_or("claims an impossible size")?;
    let mut bytes = vec![];
    bytes.try_reserve_exact(size).map_err(|_| "does not fit into memory")?;
    bytes.resize(size, 0);
    let frame = reader.next_frame(&mut bytes).map_err(refuse)?;
    // Only then are damaged bytes after the pixels seen.
    reader.finish().map_err(refuse)?;
    bytes.truncate(frame.buffer_size());
    let (bytes, had_16_bits) = match frame.bit_depth {
        BitDepth::Eight => (bytes, false),
        BitDepth::Sixteen => (bytes.as_chunks::<2>().0.iter().map(|&pair| rounded(pair)).collect(), true),
        depth => return Err(format!("has an unexpected depth, {depth:?}")),
    };
    let (channels, bytes) = match frame.color_type {
        ColorType::Grayscale => (1, bytes),
        ColorType::GrayscaleAlpha => {
            (1, bytes.as_chunks::<2>().0.iter().map(|&[grey, alpha]| over_white(grey, alpha)).collect())
        }
        ColorType::Rgb => (3, bytes),
        ColorType::Rgba => {
            let blended = |&[r, g, b, alpha]: &[u8; 4]| [r, g, b].map(|shade| over_white(shade, alpha));
            (3, bytes.as_chunks::<4>().0.iter().flat_map(blended).collect())
        }
        ColorType::Indexed => return Err("has a palette that cannot be read".into()),
    };
    let picture = Picture { height: frame.height as usize, width: frame.width as usize, channels, bytes };
    let picture = if has_grey_palette { picture.with_channels(1) } else { picture };
    Ok((picture.oriented(orientation), had_16_bits))
}

/// The byte next to 16 bits: 65535 becomes 255.
fn rounded(pair: [u8; 2]) -> u8 {
    ((u32::from(u16::from_be_bytes(pair)) + 128) / 257) as u8
}

/// A shade blended with white.
fn over_white(shade: u8, alpha: u8) -> u8 {
    let (shade, alpha) = (u32::from(shade), u32::from(alpha));
    ((shade * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
