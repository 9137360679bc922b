//! Pictures in a page: PNG files in `data:` addresses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use png::{BitDepth, ColorType, Compression, Encoder};

/// Red, green and blue of values above and below zero. Both colours are visible on white and on black.
const ABOVE: [u8; 3] = [47, 125, 224];
const BELOW: [u8; 3] = [226, 104, 22];

/// Draws values in −1 … 1, `width` per row: blue above zero, orange below. A value nearer to zero is more transparent.
#[must_use]
pub fn diverging(values: &[f32], width: usize) -> String {
    let pixel = |value: &f32| {
        let [r, g, b] = if *value < 0.0 { BELOW } else { ABOVE };
        [r, g, b, (255.0 * value.abs().min(1.0)) as u8]
    };
    png(&values.iter().flat_map(pixel).collect::<Vec<u8>>(), width, ColorType::Rgba)
}

/// Draws values in 0 … 1, `width` per row, from black to white.
#[must_use]
pub fn grey(values: &[f32], width: usize) -> String {
    let pixels: Vec<u8> = values.iter().map(|value| (255.0 * value.clamp(0.0, 1.0)) as u8).collect();
    png(&pixels, width, ColorType::Grayscale)
}

fn png(pixels: &[u8], width: usize, colour: ColorType) -> String {
    let height = pixels.len() / (width * colour.samples());
    let mut file = vec![];
    let mut encoder = Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.expect("a picture in memory of the size it says");
    format!("data:image/png;base64,{}", STANDARD.encode(file))
}

/// Shrinks a row-major picture of `width` columns to at most `columns` × `rows` by averaging cells. Returns the values
/// and their width.
#[must_use]
pub fn shrunk(values: &[f32], width: usize, (columns, rows): (usize, usize)) -> (Vec<f32>, usize) {
    let height = values.len() / width;
    let (columns, rows) = (columns.min(width), rows.min(height));
    let cell = |of: usize, parts: usize, i: usize| i * of / parts..((i + 1) * of / parts).max(i * of / parts + 1);
    let mean = |r: usize, c: usize| {
        let (ys, xs) = (cell(height, rows, r), cell(width, columns, c));
        let count = (ys.len() * xs.len()) as f32;
        ys.flat_map(|y| xs.clone().map(move |x| values[y * width + x])).sum::<f32>() / count
    };
    ((0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| mean(r, c)).collect(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_shrink_by_means() {
        let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
        assert_eq!(shrunk(&values, 4, (2, 2)), (vec![2.5, 4.5, 10.5, 12.5], 2));
        assert_eq!(shrunk(&values, 4, (9, 9)), (values, 4));
    }
}
