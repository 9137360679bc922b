//! Decoder of JPEG images, baseline and progressive, as they are to be seen by their EXIF orientation.

use super::exif::orientation;
use super::picture::Picture;
use super::source::Source;
use crate::data::read::MOST_PIXELS;
use crate::error::Result;
use crate::text::unwrapped;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Upper bound on the pixels that one byte of JPEG describes: a block of 64 takes at least one bit.
const PIXELS_PER_BYTE: u64 = 512;

/// Decodes the contents of a JPEG file.
pub fn decode(source: Source, bytes: &[u8]) -> Result<Picture> {
    // By default the decoder fills up what is missing of a damaged image.
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let refused = |reason: String| source.refused(reason);
    let refuse = |e: zune_jpeg::errors::DecodeErrors| refused(format!("cannot be read as JPEG: {}", unwrapped(e)));
    decoder.decode_headers().map_err(refuse)?;
    let (Some(info), Some(colours)) = (decoder.info(), decoder.input_colorspace()) else {
        return Err(refused("cannot be read as JPEG: it has no header".into()));
    };
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    let pixels = width as u64 * height as u64;
    if pixels > MOST_PIXELS {
        return Err(refused(format!("{width} × {height} pixels are more than {MOST_PIXELS}")));
    }
    if pixels > PIXELS_PER_BYTE * bytes.len() as u64 {
        return Err(refused(format!("claims {width} × {height} pixels, for which it is too short")));
    }
    let (out, channels) = if colours == ColorSpace::Luma { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    // The decoder makes its own room, which ends the process where there is none.
    drop(source.room(height, width, channels, decoder.exif().map_or(1, |exif| orientation(exif)))?);
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let pixels = decoder.decode().map_err(refuse)?;
    if pixels.len() != width * height * channels || pixels.is_empty() {
        return Err(refused(format!("cannot be read as JPEG: {} bytes for {width} × {height} pixels", pixels.len())));
    }
    // The decoder does not miss the end of an image whose pixels are all there.
    if !bytes.windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(refused("is truncated: the mark at the end of a JPEG image is missing".into()));
    }
    let picture = Picture { height, width, channels, bytes: pixels };
    Ok(picture.oriented(decoder.exif().map_or(1, |exif| orientation(exif))))
}
