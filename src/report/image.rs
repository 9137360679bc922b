//! Pictures in a page: PNG files in `data:` addresses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use png::{BitDepth, ColorType, Compression, Encoder};

/// Red, green and blue of values above and below zero. Both colours are visible on white and on black.
const ABOVE: [u8; 3] = [47, 125, 224];
const BELOW: [u8; 3] = [226, 104, 22];
/// Levels of a diverging picture on either side of zero. Few levels compress well, and no eye tells more apart.
const LEVELS: u8 = 31;

/// The least side of an image that a picture can show.
pub const LEAST_SIDE: usize = 5;

/// The side of a square of `features` inputs; `None` if they form no square or one too small for a picture.
#[must_use]
pub fn side(features: usize) -> Option<usize> {
    let side = features.isqrt();
    (side * side == features && side >= LEAST_SIDE).then_some(side)
}

/// Draws values in −1 … 1, `width` per row: blue above zero, orange below. A value nearer to zero is more transparent.
#[must_use]
pub fn diverging(values: &[f32], width: usize) -> String {
    let most = f32::from(LEVELS);
    let level = |value: &f32| (most + (most * value.clamp(-1.0, 1.0)).round()) as u8;
    let entry = |level: u8| {
        let [r, g, b] = if level < LEVELS { BELOW } else { ABOVE };
        [r, g, b, (255.0 * f32::from(level.abs_diff(LEVELS)) / most) as u8]
    };
    indexed(&values.iter().map(level).collect::<Vec<u8>>(), width, &(0..=2 * LEVELS).map(entry).collect::<Vec<_>>())
}

/// Draws cells, `width` per row. A cell is the place of its colour (red, green, blue, opacity) in `palette`.
#[must_use]
pub fn indexed(cells: &[u8], width: usize, palette: &[[u8; 4]]) -> String {
    png(cells, width, ColorType::Indexed, palette)
}

/// Draws values in 0 … 1, `width` per row, from black to white.
#[must_use]
pub fn grey(values: &[f32], width: usize) -> String {
    let pixels: Vec<u8> = values.iter().map(|value| (255.0 * value.clamp(0.0, 1.0)) as u8).collect();
    png(&pixels, width, ColorType::Grayscale, &[])
}

fn png(pixels: &[u8], width: usize, colour: ColorType, palette: &[[u8; 4]]) -> String {
    let height = pixels.len() / (width * colour.samples());
    let mut file = vec![];
    let mut encoder = Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    if colour == ColorType::Indexed {
        encoder.set_palette(palette.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect::<Vec<u8>>());
        encoder.set_trns(palette.iter().map(|colour| colour[3]).collect::<Vec<u8>>());
    }
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
