//! Decoder of PNG images to bytes: 16 bits are rounded to 8, and transparent pixels are blended with white.

use super::exif::orientation;
use super::picture::Picture;
use super::source::Source;
use crate::data::png::{each_row, format, reader, refuse, size};
use crate::error::Result;
use ::png::ColorType;
use std::io::Cursor;

/// Decodes the contents of a PNG file; only the first frame of an animation. The flag says whether it had 16 bits.
pub fn decode(source: Source, content: &[u8]) -> Result<(Picture, bool)> {
    let refused = |reason: String| source.refused(reason);
    let mut reader = reader(Cursor::new(content), content.len() as u64).map_err(refused)?;
    let info = reader.info();
    let orientation = info.exif_metadata.as_deref().map_or(1, orientation);
    // Programs that reduce colours store images of greys with a palette too.
    let is_grey = |palette: &[u8]| palette.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b);
    let has_grey_palette = info.color_type == ColorType::Indexed && info.palette.as_deref().is_some_and(is_grey);
    let (width, height) = size(&reader);
    let (samples, is_deep) = format(&reader).map_err(refused)?;
    let channels = if samples < 3 || has_grey_palette { 1 } else { 3 };
    let mut bytes = source.room(height, width, channels, orientation)?;
    bytes.resize(height * width * channels, 0);
    let mut row = Vec::with_capacity(width * samples);
    let has_alpha = samples % 2 == 0;
    each_row(&mut reader, |places, decoded| {
        row.clear();
        match is_deep {
            false => row.extend_from_slice(decoded),
            true => row.extend(decoded.as_chunks::<2>().0.iter().map(|&pair| rounded(pair))),
        }
        for (place, pixel) in places.zip(row.chunks_exact(samples)) {
            let out = &mut bytes[place * channels..(place + 1) * channels];
            out.copy_from_slice(&pixel[..channels]);
            if has_alpha {
                out.iter_mut().for_each(|shade| *shade = over_white(*shade, pixel[samples - 1]));
            }
        }
    })
    .map_err(refused)?;
    // Only then are damaged bytes after the pixels seen.
    reader.finish().map_err(|e| refused(refuse(e)))?;
    Ok((Picture { height, width, channels, bytes }.oriented(orientation), is_deep))
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
