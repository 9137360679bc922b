//! Conversion of a photographed or scanned digit to the format of MNIST, because networks trained on MNIST recognise no
//! other digits.
//!
//! MNIST's images show white ink on black. The ink is scaled to fit 20 × 20 pixels with its proportions kept, and its
//! centre of mass lies at the centre of 28 × 28 pixels.

use super::image::Image;

/// Side of the square that the ink is scaled to fit.
const INK: usize = 20;
/// Side of the whole image.
const SIDE: usize = 28;
/// Place of the centre of mass in both directions, in pixels from the first pixel. Measured in MNIST's own images.
const CENTRE: f32 = 14.0;
/// Largest shade that counts as paper in the search for the ink's extent, because scans and photographs have noise.
const PAPER: f32 = 0.1;

impl Image {
    /// The digit in this image in the format of MNIST, 28 × 28; `None` if all pixels have the same shade.
    ///
    /// The shade of the paper is the median of the border. The ink is lighter or darker than the paper, whichever side
    /// has the larger differences.
    #[must_use]
    pub fn as_digit(&self) -> Option<Self> {
        let ink = self.ink()?;
        let (x, y) = ink.extent()?;
        let ink = ink.cut(x, y);
        let scale = INK as f32 / ink.width.max(ink.height) as f32;
        let size = |n: usize| ((n as f32 * scale).round() as usize).clamp(1, INK);
        let ink = ink.resized_across(size(ink.width)).transposed().resized_across(size(ink.height)).transposed();
        let mut digit = Self { width: SIDE, height: SIDE, pixels: vec![0.0; SIDE * SIDE] };
        let (left, top) = (ink.offset(), ink.transposed().offset());
        for (from, to) in ink.pixels.chunks_exact(ink.width).zip(digit.pixels.chunks_exact_mut(SIDE).skip(top)) {
            to[left..left + ink.width].copy_from_slice(from);
        }
        Some(digit)
    }

    /// The strength of the ink: 0 is paper, 1 the strongest ink. `None` if all pixels have the same shade.
    fn ink(&self) -> Option<Self> {
        let (width, height) = (self.width, self.height);
        let is_border = |i: usize| {
            let (x, y) = (i % width, i / width);
            x == 0 || y == 0 || x + 1 == width || y + 1 == height
        };
        let mut border: Vec<f32> = (0..self.pixels.len()).filter(|&i| is_border(i)).map(|i| self.pixels[i]).collect();
        border.sort_unstable_by(f32::total_cmp);
        let paper = *border.get(border.len() / 2)?;
        let darkest = self.pixels.iter().copied().fold(paper, f32::min);
        let lightest = self.pixels.iter().copied().fold(paper, f32::max);
        let strongest = if paper - darkest > lightest - paper { darkest } else { lightest };
        let contrast = strongest - paper;
        let shade = |&pixel: &f32| ((pixel - paper) / contrast).max(0.0);
        (contrast != 0.0).then(|| Self { pixels: self.pixels.iter().map(shade).collect(), ..*self })
    }

    /// The columns and the rows that contain ink.
    fn extent(&self) -> Option<(Span, Span)> {
        let columns = |image: &Self| {
            let has_ink = |x: &usize| image.pixels.iter().skip(*x).step_by(image.width).any(|&ink| ink > PAPER);
            Some(((0..image.width).find(has_ink)?, (0..image.width).rev().find(has_ink)? + 1))
        };
        Some((columns(self)?, columns(&self.transposed())?))
    }

    fn cut(&self, x: Span, y: Span) -> Self {
        let rows = self.pixels.chunks_exact(self.width).take(y.1).skip(y.0);
        Self { width: x.1 - x.0, height: y.1 - y.0, pixels: rows.flat_map(|row| &row[x.0..x.1]).copied().collect() }
    }

    fn transposed(&self) -> Self {
        let columns = (0..self.width).flat_map(|x| self.pixels.iter().skip(x).step_by(self.width));
        Self { width: self.height, height: self.width, pixels: columns.copied().collect() }
    }

    /// Resamples each row to `width` pixels. The weights form a triangle as wide as the coarser of both grids, so that
    /// no stroke falls between two pixels. The same width changes nothing.
    fn resized_across(&self, width: usize) -> Self {
        let step = self.width as f32 / width as f32;
        let reach = step.max(1.0);
        let weights = |x: usize| -> Vec<(usize, f32)> {
            let centre = (x as f32 + 0.5) * step - 0.5;
            let first = (centre - reach).max(0.0) as usize;
            let last = ((centre + reach) as usize).min(self.width - 1);
            let weight = |i: usize| (1.0 - (i as f32 - centre).abs() / reach).max(0.0);
            let total: f32 = (first..=last).map(weight).sum();
            (first..=last).map(|i| (i, weight(i) / total)).collect()
        };
        let weights: Vec<_> = (0..width).map(weights).collect();
        let row = |row: &[f32]| -> Vec<f32> {
            weights.iter().map(|weights| weights.iter().map(|&(i, weight)| row[i] * weight).sum()).collect()
        };
        Self { width, height: self.height, pixels: self.pixels.chunks_exact(self.width).flat_map(row).collect() }
    }

    /// The column of the whole image at which this one starts, so that the centre of mass lies in the middle without
    /// cutting anything off.
    fn offset(&self) -> usize {
        let (mut mass, mut moment) = (0.0, 0.0);
        for row in self.pixels.chunks_exact(self.width) {
            for (x, ink) in row.iter().enumerate() {
                mass += ink;
                moment += ink * x as f32;
            }
        }
        ((CENTRE - moment / mass).round().max(0.0) as usize).min(SIDE - self.width)
    }
}

/// From the first pixel up to, but not including, the last.
type Span = (usize, usize);
