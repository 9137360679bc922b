//! Decoder of PNG images to bytes: 16 bits are rounded to 8, and transparent pixels are blended with white.

use super::exif::orientation;
use super::picture::{MOST_PIXELS, Picture};
use crate::data::arrays::array::DEFLATE_RATIO;
use ::png::{BitDepth, ColorType, Decoder, Transformations};
use std::io::Cursor;

/// Decodes the contents of a PNG file; only the first frame of an animation. The flag says whether it had 16 bits.
pub fn decode(content: &[u8]) -> Result<(Picture, bool), String> {
    let refuse = |e: ::png::DecodingError| format!("cannot be read as PNG: {e}");
    let mut decoder = Decoder::new(Cursor::new(content));
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(refuse)?;
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
    if info.raw_bytes() as u64 > DEFLATE_RATIO.saturating_mul(content.len() as u64) {
        return Err(format!("claims {width} × {height} pixels, for which it is too short"));
    }
    let orientation = info.exif_metadata.as_deref().map_or(1, orientation);
    // Programs that reduce colours store images of greys with a palette too.
    let is_grey = |palette: &[u8]| palette.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b);
    let has_grey_palette = info.color_type == ColorType::Indexed && info.palette.as_deref().is_some_and(is_grey);
    let size = reader.output_buffer_size().ok_or("claims an impossible size")?;
    let mut bytes = vec![0; size];
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
