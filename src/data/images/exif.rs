//! Reads the orientation from EXIF, which is a TIFF header and a list of tags.

/// The tag of the orientation.
const ORIENTATION: u16 = 0x0112;

/// The orientation that EXIF data give, 1 … 8; 1, as the pixels lie, if they give none or are damaged.
pub fn orientation(exif: &[u8]) -> u8 {
    find(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)).filter(|value| (1..=8).contains(value)).map_or(1, |v| v as u8)
}

fn find(tiff: &[u8]) -> Option<u16> {
    let big_endian = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
        Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let (high, low) = if big_endian { (4, 6) } else { (6, 4) };
    let start = usize::from(short(high)?) << 16 | usize::from(short(low)?);
    let count = usize::from(short(start)?);
    let tags = (0..count).map_while(|tag| Some((start + 2 + 12 * tag, short(start + 2 + 12 * tag)?)));
    let (at, _) = tags.into_iter().find(|(_, tag)| *tag == ORIENTATION)?;
    short(at + 8)
}
