//! PNG files byte by byte, for what no encoder writes.

use std::io::Write;

/// A chunk: its length, name, content and sum.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [name, content].concat();
    [&(content.len() as u32).to_be_bytes()[..], &named, &crc32fast::hash(&named).to_be_bytes()].concat()
}

/// A file with this header and, if there is one, this palette. Each row begins with its filter.
pub fn file(header: [u8; 13], palette: Option<&[u8]>, rows: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
    packed.write_all(rows).unwrap();
    let palette = palette.map_or(vec![], |colours| chunk(b"PLTE", colours));
    let parts = [chunk(b"IHDR", &header), palette, chunk(b"IDAT", &packed.finish().unwrap()), chunk(b"IEND", &[])];
    [&b"\x89PNG\r\n\x1a\n"[..], &parts.concat()].concat()
}

/// Lets the header of a file claim this width and height, with the right sum.
pub fn claim(file: &mut [u8], width: u32, height: u32) {
    // Length, name, width, height, five more bytes, CRC-32 of all but the length.
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32fast::hash(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&sum);
}
