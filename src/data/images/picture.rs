//! An image of bytes in grey or colour: change of channels, of size and of orientation.

/// An image of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Number of rows.
    pub height: usize,
    /// Number of pixels per row.
    pub width: usize,
    /// 1 = grey, 3 = red, green and blue.
    pub channels: usize,
    /// Row-major `[height, width, channels]`.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The image in `channels` channels: grey is repeated, colours become their brightness by ITU-R BT.601.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        let bytes = match (self.channels, channels) {
            (1, 3) => self.bytes.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => self.bytes.as_chunks::<3>().0.iter().map(luma).collect(),
            _ => return self,
        };
        Self { channels, bytes, ..self }
    }

    /// The image as EXIF's `orientation`, 1 … 8, says it is to be seen.
    #[must_use]
    pub fn oriented(self, orientation: u8) -> Self {
        let (h, w, c) = (self.height, self.width, self.channels);
        let is_turned = (5..=8).contains(&orientation);
        let (height, width) = if is_turned { (w, h) } else { (h, w) };
        // The pixel of the stored image that is seen at a row and a column.
        let from = |y: usize, x: usize| match orientation {
            2 => (y, w - 1 - x),
            3 => (h - 1 - y, w - 1 - x),
            4 => (h - 1 - y, x),
            5 => (x, y),
            6 => (h - 1 - x, y),
            7 => (h - 1 - x, w - 1 - y),
            8 => (x, w - 1 - y),
            _ => (y, x),
        };
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for y in 0..height {
            for x in 0..width {
                let (row, column) = from(y, x);
                let start = (row * w + column) * c;
                bytes.extend_from_slice(&self.bytes[start..start + c]);
            }
        }
        Self { height, width, channels: c, bytes }
    }

    /// The image scaled to a size. In each direction that shrinks, a pixel is the mean of the area that it covers; in
    /// each direction that grows, it is interpolated linearly. The same size changes nothing.
    #[must_use]
    pub fn scaled(self, height: usize, width: usize) -> Self {
        if (height, width) == (self.height, self.width) || self.bytes.is_empty() {
            return self;
        }
        let channels = self.channels;
        let columns: Vec<_> = (0..width).map(|x| weights(x, self.width, width)).collect();
        let across = |row: usize, weight: f32, sums: &mut [f32]| {
            let start = row * self.width * channels;
            let row = &self.bytes[start..start + self.width * channels];
            for (taps, out) in columns.iter().zip(sums.chunks_exact_mut(channels)) {
                for (channel, out) in out.iter_mut().enumerate() {
                    let tap = |&(column, weight): &(usize, f32)| weight * f32::from(row[column * channels + channel]);
                    *out += weight * taps.iter().map(tap).sum::<f32>();
                }
            }
        };
        let mut bytes = Vec::with_capacity(height * width * channels);
        let mut sums = vec![0.0; width * channels];
        for y in 0..height {
            sums.fill(0.0);
            weights(y, self.height, height).into_iter().for_each(|(row, weight)| across(row, weight, &mut sums));
            // The conversion saturates, so that rounding errors cannot leave the range of a byte.
            bytes.extend(sums.iter().map(|sum| sum.round() as u8));
        }
        Self { height, width, channels, bytes }
    }
}

/// The pixels among `from` that make up pixel `place` among `to`, and their weights, whose sum is 1.
fn weights(place: usize, from: usize, to: usize) -> Vec<(usize, f32)> {
    let step = from as f64 / to as f64;
    if to < from {
        let (start, end) = (place as f64 * step, ((place + 1) as f64 * step).min(from as f64));
        let covered = |i: usize| (end.min((i + 1) as f64) - start.max(i as f64)).max(0.0) / step;
        let last = (end.ceil() as usize).min(from);
        return (start as usize..last).map(|i| (i, covered(i) as f32)).filter(|&(_, weight)| weight > 0.0).collect();
    }
    let centre = ((place as f64 + 0.5) * step - 0.5).clamp(0.0, (from - 1) as f64);
    let (first, share) = (centre as usize, centre.fract());
    let second = (first + 1).min(from - 1);
    if share == 0.0 || second == first {
        return vec![(first, 1.0)];
    }
    vec![(first, (1.0 - share) as f32), (second, share as f32)]
}

/// Brightness of red, green and blue by ITU-R BT.601, as image libraries convert colours to grey.
pub fn luma(pixel: &[u8; 3]) -> u8 {
    let [r, g, b] = pixel.map(u32::from);
    ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
}
